/** A server-sent event. */
export interface ServerEvent {
  event: string;
  data: string;
}

/** Yields the events of a body. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent, void, void> {
  let event = 'message';
  let data: string[] = [];
  for await (const line of lines(body)) {
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (line === '') {
      if (data.length > 0) yield { event, data: data.join('\n') };
      [event, data] = ['message', []];
    } else if (field === 'event') {
      event = value;
    } else if (field === 'data') {
      data.push(value);
    }
  }
}

/** Yields the lines of a body without their terminators. */
async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) yield line.endsWith('\r') ? line.slice(0, -1) : line;
    }
    if (rest !== '') yield rest;
  } finally {
    // If the consumer stops early, the rest of the body is not needed.
    await reader.cancel().catch(() => undefined);
  }
}
