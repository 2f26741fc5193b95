// mock.c: an OpenAI-style upstream that costs next to nothing, so that what is measured is the gateway before it.
//   mock -p PORT[:DELAY_MS] [-p ...] [-n DEFAULT_TOKENS]      one thread, epoll, 127.0.0.1 only
// Any POST is a chat completion. Unstreamed: a fixed answer of about 600 bytes with usage. With "stream":true: SSE, N
// content chunks of about 185 bytes, one write each, DELAY_MS apart, then a usage chunk and data: [DONE].
// max_tokens (or max_completion_tokens) is N, or DELAY_MS * 100000 + N: the one field that every gateway passes on.
// Each content is "tSSSSSS@NNNNNNNNNNNNNNNN": its sequence number and CLOCK_MONOTONIC ns when it was sent, so that the
// client can tell losses, changes of order and one-way latency.
// GET /stats: counters. Any other GET: one answer that serves as health and as the list of models.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
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

#define MAXFD 65536
#define WHEEL 4096 // 1 ms slots
typedef struct conn {
    int fd, delay_default;
    char *in; // what was read and not yet answered
    int inlen, incap;
    char *out; // what the socket would not take
    int outoff, outlen, outcap;
    int streaming, total, sent, delay;
    int close_after;
    uint64_t next_due; // ms
    struct conn *wnext, *wprev;
    int inwheel; // slot + 1, or 0
} conn;
static conn *conns[MAXFD];
static conn *wheel[WHEEL];
static uint64_t wheel_now;
static int ep, n_timers;
static int def_tokens = 64;
static struct {
    uint64_t reqs, streams, done, aborted, chunks, open, conns, bytes;
} st;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static char JSON_RESP[2048];
static int JSON_LEN;
static char T0[512], T1[512];
static int T0L, T1L, T0S, T1S;
static const char HDR[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: "
                          "no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

static void mkchunk(char *dst, int *len, int *seqpos, const char *delta_prefix) {
    char body[512];
    int n = snprintf(body, sizeof body,
                     "data: "
                     "{\"id\":\"chatcmpl-mock0001\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                     "\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\"t000000@"
                     "0000000000000000\"},\"finish_reason\":null}]}\n\n",
                     delta_prefix);
    *len = snprintf(dst, 512, "%x\r\n%s\r\n", n, body);
    *seqpos = (int)(strstr(dst, "\"t000000@") - dst) + 2;
}

static void init_templates(void) {
    const char *b =
        "{\"id\":\"chatcmpl-mock0001\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"mock\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"The quick brown fox jumps over "
        "the lazy dog. The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog. The "
        "quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog. The quick brown "
        "fox.\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":64,\"completion_tokens\":"
        "64,\"total_tokens\":128,\"prompt_tokens_details\":null},\"system_fingerprint\":\"fp_mock\"}";
    JSON_LEN =
        snprintf(JSON_RESP, sizeof JSON_RESP,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(b), b);
    mkchunk(T0, &T0L, &T0S, "\"role\":\"assistant\",");
    mkchunk(T1, &T1L, &T1S, "");
}

static void wheel_add(conn *c) { // c->next_due in ms
    uint64_t d = c->next_due;
    if (d <= wheel_now) d = wheel_now + 1;
    if (d >= wheel_now + WHEEL) d = wheel_now + WHEEL - 1;
    conn **h = &wheel[d % WHEEL];
    c->wnext = *h;
    c->wprev = NULL;
    if (*h) (*h)->wprev = c;
    *h = c;
    c->inwheel = 1 + (int)(d % WHEEL);
    n_timers++;
}

static void wheel_del(conn *c) {
    if (!c->inwheel) return;
    if (c->wprev) c->wprev->wnext = c->wnext;
    else wheel[c->inwheel - 1] = c->wnext;
    if (c->wnext) c->wnext->wprev = c->wprev;
    c->wnext = c->wprev = NULL;
    c->inwheel = 0;
    n_timers--;
}

static void conn_close(conn *c) {
    if (c->streaming) {
        st.aborted++;
        st.open--;
    }
    wheel_del(c);
    st.conns--;
    close(c->fd);
    conns[c->fd] = NULL;
    free(c->in);
    free(c->out);
    free(c);
}

static void want_out(conn *c, int on) {
    struct epoll_event e = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}

// returns 0 ok, 1 blocked (the rest is queued), -1 error
static int put(conn *c, const char *p, int n) {
    if (c->outlen > c->outoff) { // append
    queue:
        if (c->outlen + n > c->outcap) {
            c->outcap = (c->outlen + n) * 2;
            c->out = realloc(c->out, c->outcap);
        }
        memcpy(c->out + c->outlen, p, n);
        c->outlen += n;
        return 1;
    }
    ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
    if (w == n) {
        st.bytes += n;
        return 0;
    }
    if (w < 0) {
        if (errno != EAGAIN) return -1;
        w = 0;
    }
    st.bytes += w;
    p += w;
    n -= w;
    c->outlen = c->outoff = 0;
    want_out(c, 1);
    goto queue;
}

static inline void patch(char *t, int pos, unsigned seq, uint64_t ns) {
    char *p = t + pos + 5;
    for (int i = 0; i < 6; i++) {
        *p-- = '0' + seq % 10;
        seq /= 10;
    }
    p = t + pos + 22;
    for (int i = 0; i < 16; i++) {
        *p-- = '0' + ns % 10;
        ns /= 10;
    }
}

static int send_chunk(conn *c) {
    char *t;
    int l, s;
    if (c->sent == 0) {
        t = T0;
        l = T0L;
        s = T0S;
    } else {
        t = T1;
        l = T1L;
        s = T1S;
    }
    patch(t, s, c->sent, now_ns());
    c->sent++;
    st.chunks++;
    if (c->sent < c->total) return put(c, t, l);
    // the last content chunk is followed at once by finish, usage and [DONE] in one write
    int r = put(c, t, l);
    if (r < 0) return r;
    char b[1024], b2[512];
    int n = 0;
    int k = snprintf(b2, sizeof b2,
                     "data: "
                     "{\"id\":\"chatcmpl-mock0001\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                     "\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
    n += snprintf(b + n, sizeof b - n, "%x\r\n%s\r\n", k, b2);
    k = snprintf(
        b2, sizeof b2,
        "data: "
        "{\"id\":\"chatcmpl-mock0001\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\","
        "\"choices\":[],\"usage\":{\"prompt_tokens\":64,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
        c->total, c->total + 64);
    n += snprintf(b + n, sizeof b - n, "%x\r\n%s\r\n", k, b2);
    n += snprintf(b + n, sizeof b - n, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    c->streaming = 0;
    st.done++;
    st.open--;
    return put(c, b, n);
}

static char *hfind(char *h, char *end, const char *name) { // value of a header, or NULL
    size_t nl = strlen(name);
    for (char *p = h; p < end;) {
        char *e = memchr(p, '\n', end - p);
        if (!e) break;
        if ((size_t)(e - p) > nl && p[nl] == ':' && !strncasecmp(p, name, nl)) {
            p += nl + 1;
            while (*p == ' ') p++;
            return p;
        }
        p = e + 1;
    }
    return NULL;
}

static long jint(const char *b, size_t n, const char *key) {
    const char *p = memmem(b, n, key, strlen(key));
    if (!p) return -1;
    p += strlen(key);
    const char *e = b + n;
    while (p < e && (*p == ' ' || *p == ':')) p++;
    long v = 0;
    int any = 0;
    while (p < e && isdigit((unsigned char)*p)) {
        v = v * 10 + *p++ - '0';
        any = 1;
    }
    return any ? v : -1;
}

static int pump(conn *c);
// answers the whole requests at c->in; -1: the connection is to be closed
static int handle(conn *c) {
    for (;;) {
        if (c->streaming || c->outlen > c->outoff) return 0; // one at a time
        char *e = memmem(c->in, c->inlen, "\r\n\r\n", 4);
        if (!e) return 0;
        char *body = e + 4;
        char *h = memchr(c->in, '\n', e - c->in + 2) + 1;
        int blen = 0, total;
        char *v = hfind(h, body, "content-length");
        char *te = hfind(h, body, "transfer-encoding");
        if (te && !strncasecmp(te, "chunked", 7)) { // find the terminator (bodies here are small)
            char *z = memmem(body, c->in + c->inlen - body, "\r\n0\r\n\r\n", 7);
            if (!z) return 0;
            blen = (int)(z - body);
            total = (int)(z + 7 - c->in);
        } else {
            if (v) blen = atoi(v);
            total = (int)(body - c->in) + blen;
            if (c->inlen < total) return 0;
        }
        char *cn = hfind(h, body, "connection");
        c->close_after = cn && !strncasecmp(cn, "close", 5);
        int r = 0;
        if (c->in[0] == 'P') {
            st.reqs++;
            char *s = memmem(body, blen, "\"stream\":", 9);
            int stream = 0;
            if (s) {
                s += 9;
                while (*s == ' ') s++;
                stream = *s == 't';
            }
            if (!stream) r = put(c, JSON_RESP, JSON_LEN);
            else {
                long n = jint(body, blen, "\"max_tokens\"");
                if (n < 0) n = jint(body, blen, "\"max_completion_tokens\"");
                if (n < 1) n = def_tokens;
                if (n >= 100000) {
                    c->delay = (int)(n / 100000);
                    n %= 100000;
                    if (n < 1) n = 1;
                } else c->delay = c->delay_default;
                c->total = (int)n;
                c->sent = 0;
                c->streaming = 1;
                st.streams++;
                st.open++;
                r = put(c, HDR, sizeof HDR - 1);
                if (r >= 0 && c->delay) {
                    c->next_due = now_ns() / 1000000 + c->delay;
                    if (n_timers == 0) wheel_now = now_ns() / 1000000;
                    wheel_add(c);
                }
            }
        } else {
            char b[1024], o[2048];
            int k;
            if (!strncmp(c->in, "GET /stats", 10))
                k = snprintf(b, sizeof b,
                             "{\"reqs\":%lu,\"streams\":%lu,\"done\":%lu,\"aborted\":%lu,\"open\":%lu,\"chunks\":%lu,"
                             "\"conns\":%lu,\"bytes\":%lu}",
                             st.reqs, st.streams, st.done, st.aborted, st.open, st.chunks, st.conns, st.bytes);
            else
                k = snprintf(
                    b, sizeof b,
                    "{\"status\":\"ok\",\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":\"model\","
                    "\"created\":1700000000,\"owned_by\":\"mock\"}],\"model_path\":\"mock\",\"is_generation\":true}");
            k = snprintf(o, sizeof o,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", k, b);
            r = put(c, o, k);
        }
        if (r < 0) return -1;
        memmove(c->in, c->in + total, c->inlen - total);
        c->inlen -= total;
        if (c->streaming && !c->delay) {
            if (pump(c) < 0) return -1;
        }
        if (c->close_after && !c->streaming && c->outlen == c->outoff) return -1;
        if (c->inlen == 0) return 0;
    }
}

static int pump(conn *c) { // delay 0: write until the socket is full
    while (c->streaming) {
        int r = send_chunk(c);
        if (r < 0) return -1;
        if (r == 1) return 0;
    }
    return 0;
}

static int on_writable(conn *c) {
    while (c->outoff < c->outlen) {
        ssize_t w = send(c->fd, c->out + c->outoff, c->outlen - c->outoff, MSG_NOSIGNAL);
        if (w < 0) {
            if (errno == EAGAIN) return 0;
            return -1;
        }
        c->outoff += w;
        st.bytes += w;
    }
    c->outoff = c->outlen = 0;
    want_out(c, 0);
    if (c->streaming) {
        if (c->delay == 0) {
            if (pump(c) < 0) return -1;
        } else if (!c->inwheel) {
            c->next_due = wheel_now + 1;
            wheel_add(c);
        }
    }
    if (!c->streaming && c->outlen == c->outoff) {
        if (c->close_after) return -1;
        if (c->inlen) return handle(c);
    }
    return 0;
}

static void tick(uint64_t ms) {
    while (wheel_now < ms) {
        wheel_now++;
        conn *c = wheel[wheel_now % WHEEL];
        wheel[wheel_now % WHEEL] = NULL;
        while (c) {
            conn *nx = c->wnext;
            if (nx) nx->wprev = NULL;
            c->wnext = c->wprev = NULL;
            c->inwheel = 0;
            n_timers--;
            if (c->next_due > wheel_now) {
                wheel_add(c);
                c = nx;
                continue;
            }
            int r = send_chunk(c);
            if (r < 0) conn_close(c);
            else if (c->streaming) {
                if (r == 0) {
                    c->next_due += c->delay;
                    wheel_add(c);
                } // blocked: on_writable takes it up again
            } else if (c->close_after && c->outlen == c->outoff) conn_close(c);
            else if (c->inlen && handle(c) < 0) conn_close(c);
            c = nx;
        }
    }
}

static int listen_on(int port) {
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(s, (void *)&a, sizeof a) || listen(s, 8192)) {
        perror("bind");
        exit(1);
    }
    return s;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL); // never outlives the benchmark
    init_templates();
    ep = epoll_create1(0);
    int o, nl = 0, lfd[64], ldelay[64];
    while ((o = getopt(argc, argv, "p:n:")) != -1) {
        if (o == 'p') {
            char *d = strchr(optarg, ':');
            ldelay[nl] = d ? atoi(d + 1) : 0;
            lfd[nl] = listen_on(atoi(optarg));
            nl++;
        } else if (o == 'n') def_tokens = atoi(optarg);
        else return 2;
    }
    for (int i = 0; i < nl; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = ((uint64_t)1 << 63) | i};
        epoll_ctl(ep, EPOLL_CTL_ADD, lfd[i], &e);
    }
    static struct epoll_event ev[512];
    wheel_now = now_ns() / 1000000;
    for (;;) {
        int n = epoll_wait(ep, ev, 512, n_timers ? 1 : 1000);
        for (int i = 0; i < n; i++) {
            if (ev[i].data.u64 >> 63) {
                int li = (int)(ev[i].data.u64 & 63);
                int f;
                while ((f = accept4(lfd[li], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                    if (f >= MAXFD) {
                        close(f);
                        continue;
                    }
                    int one = 1;
                    setsockopt(f, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    conn *c = calloc(1, sizeof *c);
                    c->fd = f;
                    c->delay_default = ldelay[li];
                    conns[f] = c;
                    st.conns++;
                    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
                    epoll_ctl(ep, EPOLL_CTL_ADD, f, &e);
                }
                continue;
            }
            conn *c = ev[i].data.ptr;
            int dead = 0;
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                if (c->incap - c->inlen < 4096) {
                    c->incap = c->incap ? c->incap * 2 : 8192;
                    c->in = realloc(c->in, c->incap + 1);
                }
                ssize_t r = recv(c->fd, c->in + c->inlen, c->incap - c->inlen, 0);
                if (r == 0 || (r < 0 && errno != EAGAIN)) dead = 1;
                else if (r > 0) {
                    c->inlen += r;
                    c->in[c->inlen] = 0;
                    if (handle(c) < 0) dead = 1;
                }
            }
            if (!dead && (ev[i].events & EPOLLOUT) && on_writable(c) < 0) dead = 1;
            if (dead) conn_close(c);
        }
        uint64_t ms = now_ns() / 1000000;
        if (n_timers) tick(ms);
        else wheel_now = ms;
    }
}
