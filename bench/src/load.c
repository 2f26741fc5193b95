// load.c: a load generator for OpenAI-style chat completions: one thread, epoll, keep-alive, 127.0.0.1 only.
//   load -m MODE -P PORT -c CONNECTIONS -t SECONDS [-u PATH] [-M MODEL] [-H 'Name: value']... [-R RAMP_MS] [-N COUNT]
// Modes:
//   stream -n TOKENS -d DELAY_MS  each connection runs streams back to back until SECONDS have passed (what was started
//                                 is finished). Checks the sequence number of every content chunk, the usage chunk and
//                                 [DONE]; reports TTFT, one-way latency of chunks (stamp in the chunk until parsed
//                                 here) and jitter |gap - DELAY|.
//   req -r RATE                   open loop at a constant rate; latency counts from the scheduled instant
//   req -r 0                      closed loop
//   hold                          one request on each connection, then idle (for memory)
//   abort -n TOKENS -d DELAY_MS -a MS   streams; leaves them all after MS
//   slow -n TOKENS -a MS                streams without delay; reads nothing for MS, then all (back-pressure)
// -N COUNT: starts so many in all and ends when they have ended. Output: one line of JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

#define HB 20000001 // microseconds, the last is overflow
typedef struct {
    uint32_t *b;
    uint64_t n;
    double sum;
    uint64_t max;
} hist;
static hist h_lat, h_ttft, h_way, h_jit, h_way1;
static void hadd(hist *h, uint64_t ns) {
    uint64_t us = ns / 1000;
    if (!h->b) h->b = calloc(HB, 4);
    h->n++;
    h->sum += us;
    if (us > h->max) h->max = us;
    if (us >= HB) us = HB - 1;
    h->b[us]++;
}

static uint64_t hp(hist *h, double p) {
    if (!h->n) return 0;
    uint64_t k = (uint64_t)(p * h->n), s = 0;
    for (int i = 0; i < HB; i++) {
        s += h->b[i];
        if (s > k) return i < HB - 1 ? i : h->max;
    }
    return h->max;
}

static void hjson(const char *name, hist *h) {
    printf(",\"%s_us\":{\"n\":%lu,\"mean\":%.0f,\"p50\":%lu,\"p90\":%lu,\"p99\":%lu,\"p999\":%lu,\"max\":%lu}", name,
           h->n, h->n ? h->sum / h->n : 0, hp(h, .5), hp(h, .9), hp(h, .99), hp(h, .999), h->max);
}

typedef struct conn {
    int fd, idx;
    int state; // 0 idle, 1 busy, 2 dead
    uint64_t t0, last;
    int seq;
    int usage, done, first;
    // http response parser
    int ph; // 0 headers, 1 content-length body, 2 chunk size, 3 chunk data, 4 chunk crlf, 5 trailer, 6 until close
    int status;
    long left;
    char hb[16384];
    int hl;
    char line[64];
    int ll;
    char sb[8192];
    int sl; // SSE line buffer
} conn;
static conn *C;
static int NC = 1, port, tokens = 64, delay = 0, ramp = -1, abort_ms = 0;
static double secs = 5, rate = 0;
static int ep;
static const char *mode = "req", *path = "/v1/chat/completions", *model = "mock";
static char hdrs[4096];
static char req[32768];
static int reql;
static uint64_t count; // 0: as many as the time allows
static uint64_t ok, bad, lost, chunks, http_err, conn_err, streams_ok, bytes, started;
static int inflight;
static char firsterr[600];
static uint64_t t_start, t_end;
static int no_usage, no_done;

static void fail(conn *c, const char *why) {
    bad++;
    if (!firsterr[0]) {
        snprintf(firsterr, sizeof firsterr, "%s status=%d seq=%d hdr=%.200s", why, c->status, c->seq, c->hb);
        for (char *p = firsterr; *p; p++)
            if (*p < ' ' || *p == '"' || *p == '\\') *p = ' ';
    }
}

static int dial(conn *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(c->fd, (void *)&a, sizeof a)) {
        conn_err++;
        close(c->fd);
        c->fd = -1;
        return -1;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
    c->state = 0;
    return 0;
}

static void start(conn *c, uint64_t t0) {
    if (c->fd < 0 && dial(c)) {
        return;
    }
    c->ph = 0;
    c->hl = 0;
    c->ll = 0;
    c->sl = 0;
    c->seq = 0;
    c->usage = c->done = 0;
    c->first = 1;
    c->status = 0;
    c->t0 = t0 ? t0 : now_ns();
    c->last = 0;
    c->state = 1;
    inflight++;
    started++;
    if (send(c->fd, req, reql, MSG_NOSIGNAL) != reql) {
        fail(c, "send");
        close(c->fd);
        c->fd = -1;
        c->state = 2;
        inflight--;
    }
}

static int streaming;
static void sse_line(conn *c, char *l, int n, uint64_t t) {
    if (n < 6 || memcmp(l, "data:", 5)) return;
    char *m = memmem(l, n, "\"t", 2); // "tSSSSSS@NNNN"
    while (m && !(m + 24 <= l + n && m[8] == '@')) {
        m = memmem(m + 2, l + n - m - 2, "\"t", 2);
    }
    if (m) {
        int s = 0;
        for (int i = 2; i < 8; i++) s = s * 10 + m[i] - '0';
        uint64_t ns = 0;
        for (int i = 9; i < 25; i++) ns = ns * 10 + m[i] - '0';
        if (s != c->seq) {
            lost += s > c->seq ? s - c->seq : 1;
            c->seq = s;
        }
        c->seq++;
        chunks++;
        if (c->first) {
            hadd(&h_ttft, t - c->t0);
            c->first = 0;
            hadd(&h_way1, t > ns ? t - ns : 0);
        } else {
            hadd(&h_way, t > ns ? t - ns : 0);
            int64_t g = (int64_t)(t - c->last) - (int64_t)delay * 1000000;
            hadd(&h_jit, g < 0 ? -g : g);
        }
        c->last = t;
        return;
    }
    if (memmem(l, n, "\"usage\":{", 9) || memmem(l, n, "\"completion_tokens\"", 19)) c->usage = 1;
    if (memmem(l, n, "[DONE]", 6)) c->done = 1;
}

static void body(conn *c, char *p, int n, uint64_t t) {
    bytes += n;
    if (!streaming) return;
    while (n > 0) {
        char *e = memchr(p, '\n', n);
        if (!c->sl && e) {
            sse_line(c, p, e - p, t);
            n -= e + 1 - p;
            p = e + 1;
            continue;
        }
        int k = e ? (int)(e + 1 - p) : n;
        if (c->sl + k > (int)sizeof c->sb) {
            fail(c, "long line");
            c->sl = 0;
        }
        memcpy(c->sb + c->sl, p, k);
        c->sl += k;
        p += k;
        n -= k;
        if (e) {
            sse_line(c, c->sb, c->sl - 1, t);
            c->sl = 0;
        }
    }
}

static void finish(conn *c, uint64_t t) {
    c->state = 0;
    inflight--;
    if (c->status != 200) {
        http_err++;
        fail(c, "http");
        return;
    }
    if (streaming) {
        if (c->sl) {
            sse_line(c, c->sb, c->sl, t);
            c->sl = 0;
        }
        if (c->seq != tokens) {
            lost += tokens - c->seq;
            fail(c, "short stream");
            return;
        }
        if (!c->usage) no_usage++;
        if (!c->done) no_done++;
        streams_ok++;
    }
    ok++;
    hadd(&h_lat, t - c->t0);
}

// feed bytes; returns -1 when the connection has to be closed
static int feed(conn *c, char *p, int n, uint64_t t) {
    while (n > 0) {
        if (c->state != 1) {
            return -1;
        }
        if (c->ph == 0) {
            int k = n < (int)sizeof c->hb - 1 - c->hl ? n : (int)sizeof c->hb - 1 - c->hl;
            if (k <= 0) return -1;
            memcpy(c->hb + c->hl, p, k);
            int old = c->hl;
            c->hl += k;
            c->hb[c->hl] = 0;
            char *e = memmem(c->hb, c->hl, "\r\n\r\n", 4);
            if (!e) {
                p += k;
                n -= k;
                continue;
            }
            int used = (int)(e + 4 - c->hb) - old;
            p += used;
            n -= used;
            e[2] = 0;
            c->status = atoi(c->hb + 9);
            char *te = strcasestr(c->hb, "\ntransfer-encoding: chunked"), *cl = strcasestr(c->hb, "\ncontent-length:");
            if (te) {
                c->ph = 2;
                c->ll = 0;
            } else if (cl) {
                c->left = atol(cl + 16);
                c->ph = 1;
                if (!c->left) {
                    finish(c, t);
                    continue;
                }
            } else c->ph = 6;
        } else if (c->ph == 1) {
            int k = n < c->left ? n : (int)c->left;
            body(c, p, k, t);
            p += k;
            n -= k;
            c->left -= k;
            if (!c->left) finish(c, t);
        } else if (c->ph == 2) {
            char ch = *p++;
            n--;
            if (ch == '\n') {
                c->line[c->ll] = 0;
                c->left = strtol(c->line, NULL, 16);
                c->ll = 0;
                c->ph = c->left ? 3 : 5;
            } else if (c->ll < 60) c->line[c->ll++] = ch;
        } else if (c->ph == 3) {
            int k = n < c->left ? n : (int)c->left;
            body(c, p, k, t);
            p += k;
            n -= k;
            c->left -= k;
            if (!c->left) c->ph = 4;
        } else if (c->ph == 4) {
            if (*p == '\n') c->ph = 2;
            p++;
            n--;
        } else if (c->ph == 5) {
            if (*p == '\n') {
                if (c->ll == 0) {
                    p++;
                    n--;
                    finish(c, t);
                    continue;
                }
                c->ll = 0;
            } else if (*p != '\r') c->ll++;
            p++;
            n--;
        } else {
            body(c, p, n, t);
            n = 0;
        }
    }
    return 0;
}

static char rb[262144];
static void on_read(conn *c) {
    for (int i = 0; i < 4; i++) {
        ssize_t r = recv(c->fd, rb, sizeof rb, MSG_DONTWAIT);
        uint64_t t = now_ns();
        if (r < 0 && errno == EAGAIN) return;
        if (r <= 0) {
            if (c->state == 1) {
                if (c->ph == 6) {
                    finish(c, t);
                } else {
                    fail(c, "closed");
                    inflight--;
                    if (streaming) lost += tokens - c->seq;
                }
            }
            close(c->fd);
            c->fd = -1;
            c->state = 2;
            return;
        }
        if (feed(c, rb, (int)r, t) < 0) {
            close(c->fd);
            c->fd = -1;
            c->state = 2;
            return;
        }
        if (r < (ssize_t)sizeof rb) return;
    }
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); // never outlives the benchmark
    int o;
    while ((o = getopt(argc, argv, "m:P:c:t:n:d:u:M:H:R:r:a:N:")) != -1) switch (o) {
        case 'm':
            mode = optarg;
            break;
        case 'P':
            port = atoi(optarg);
            break;
        case 'c':
            NC = atoi(optarg);
            break;
        case 't':
            secs = atof(optarg);
            break;
        case 'n':
            tokens = atoi(optarg);
            break;
        case 'd':
            delay = atoi(optarg);
            break;
        case 'u':
            path = optarg;
            break;
        case 'M':
            model = optarg;
            break;
        case 'R':
            ramp = atoi(optarg);
            break;
        case 'r':
            rate = atof(optarg);
            break;
        case 'a':
            abort_ms = atoi(optarg);
            break;
        case 'N':
            count = strtoull(optarg, NULL, 10);
            break;
        case 'H':
            if (strlen(hdrs) + strlen(optarg) + 3 > sizeof hdrs) return 2;
            strcat(hdrs, optarg);
            strcat(hdrs, "\r\n");
            break;
        default:
            return 2;
        }
    if (secs > 120 || NC > 16000 || tokens > 99999) {
        fprintf(stderr, "bounded: <=120 s, <=16000 connections\n");
        return 2;
    }
    streaming = !strcmp(mode, "stream") || !strcmp(mode, "abort") || !strcmp(mode, "slow");
    if (ramp < 0) ramp = streaming ? 1000 : 0;
    char bd[8192];
    int bl = snprintf(bd, sizeof bd,
                      "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant. "
                      "Answer briefly.\"},{\"role\":\"user\",\"content\":\"Lorem ipsum dolor sit amet, consectetur "
                      "adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua. Ut enim ad "
                      "minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo "
                      "consequat. Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu "
                      "fugiat nulla pariatur.\"}],\"temperature\":0.7,\"max_tokens\":%d%s}",
                      model, tokens + 100000 * (streaming ? delay : 0),
                      streaming ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" : "");
    reql = snprintf(req, sizeof req,
                    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nAccept: "
                    "*/*\r\n%sContent-Length: %d\r\n\r\n%s",
                    path, port, hdrs, bl, bd);
    ep = epoll_create1(0);
    C = calloc(NC, sizeof(conn));
    for (int i = 0; i < NC; i++) {
        C[i].fd = -1;
        C[i].idx = i;
    }
    static struct epoll_event ev[1024];
    t_start = now_ns();
    t_end = t_start + (uint64_t)(secs * 1e9);
    int opened = 0, hold = !strcmp(mode, "hold"), ab = !strcmp(mode, "abort"), slow = !strcmp(mode, "slow"),
        openloop = !strcmp(mode, "req") && rate > 0;
    uint64_t nsent = 0;
    int rr = 0;
    if (openloop)
        for (int i = 0; i < NC; i++) dial(&C[i]);
    if (openloop) {
        t_start = now_ns();
        t_end = t_start + (uint64_t)(secs * 1e9);
    }
    uint64_t hard = t_end + (uint64_t)30e9 + (streaming && !ab ? (uint64_t)tokens * delay * 1000000ull : 0);
    for (;;) {
        uint64_t t = now_ns();
        if (t > hard) break;
        if (openloop) {
            while (t < t_end && nsent < (uint64_t)((t - t_start) * 1e-9 * rate) + 1) {
                int k = 0;
                while (k < NC && (C[rr].state == 1)) {
                    rr = (rr + 1) % NC;
                    k++;
                }
                if (k == NC) break;
                uint64_t due = t_start + (uint64_t)(nsent * 1e9 / rate);
                start(&C[rr], due);
                rr = (rr + 1) % NC;
                nsent++;
            }
        } else {
            int target = ramp ? (int)((t - t_start) * 1e-6 / ramp * NC) + 1 : NC;
            if (target > NC) target = NC;
            int burst = 0;
            while (opened < target && burst++ < 200 && (!count || started < count)) {
                start(&C[opened], 0);
                opened++;
            }
            if (ab && t > t_start + (uint64_t)abort_ms * 1000000ull) break;
        }
        if (t >= t_end && inflight == 0 && (!hold)) break;
        if (count && started >= count && inflight == 0) break;
        if (hold && t >= t_end) break;
        if (slow && t < t_start + (uint64_t)abort_ms * 1000000ull) {
            usleep(10000);
            continue;
        }
        struct timespec ts = {0, (openloop || opened < NC) ? 1000000 : 10000000};
        if (openloop && t < t_end) {
            int64_t w = (int64_t)(t_start + (uint64_t)(nsent * 1e9 / rate)) - (int64_t)now_ns();
            ts.tv_nsec = w < 0 ? 0 : w > 10000000 ? 10000000 : w;
        }
        int n = epoll_pwait2(ep, ev, 1024, &ts, NULL);
        for (int i = 0; i < n; i++) {
            conn *c = ev[i].data.ptr;
            if (c->fd < 0) continue;
            on_read(c);
            if (c->state != 1 && !hold && !openloop && !ab && now_ns() < t_end && (!count || started < count)) {
                if (c->state == 2 && bad > (uint64_t)NC * 3 + 100) continue;
                start(c, 0);
            }
        }
        if (bad > 20000) break;
    }
    double el = (now_ns() - t_start) * 1e-9;
    printf("{\"mode\":\"%s\",\"conns\":%d,\"elapsed\":%.3f,\"ok\":%lu,\"bad\":%lu,\"inflight\":%d,\"http_err\":%lu,"
           "\"conn_err\":%lu,\"rps\":%.1f,\"chunks\":%lu,\"chunks_per_s\":%.1f,\"lost\":%lu,\"no_usage\":%d,\"no_"
           "done\":%d,\"bytes\":%lu,\"started\":%lu",
           mode, NC, el, ok, bad, inflight, http_err, conn_err, ok / el, chunks, chunks / el, lost, no_usage, no_done,
           bytes, started);
    if (openloop) printf(",\"offered\":%.0f,\"unsent\":%ld", rate, (long)(rate * secs) - (long)nsent);
    hjson("lat", &h_lat);
    if (streaming) {
        hjson("ttft", &h_ttft);
        hjson("oneway_first", &h_way1);
        hjson("oneway", &h_way);
        hjson("jitter", &h_jit);
    }
    printf(",\"err\":\"%s\"}\n", firsterr);
    return 0;
}
