// What browsers have and Node.js lacks: events of the type "message", until somebody closes it.
globalThis.EventSource = class {
  constructor(url) {
    this.aborter = new AbortController();
    this.run(url).catch((error) => {
      if (error.name !== 'AbortError') throw error;
    });
  }

  close() {
    this.aborter.abort();
  }

  async run(url) {
    const answer = await fetch(url, { headers: { Accept: 'text/event-stream' }, signal: this.aborter.signal });
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    let rest = '';
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      const events = (rest + piece).split('\n\n');
      rest = events.pop();
      for (const event of events) {
        const lines = event.split('\n').filter((line) => line.startsWith('data: '));
        if (lines.length) this.onmessage({ data: lines.map((line) => line.slice(6)).join('\n') });
      }
    }
  }
};
