/** A server-sent event. */
export interface ServerEvent {
  event: string;
  data: string;
}

/** The events of a body. */
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

/** The lines of a body, without their ends; an empty one at its end is none. */
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
    // Whoever stops in the middle wants no more of the body.
    await reader.cancel().catch(() => undefined);
  }
}
