// A server that redirects every request to itself, and counts the requests that follow.
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';

export interface Redirects {
  /** The URL below which every request is redirected. `followed` beside it has the number of followed redirects. */
  url: string;
  close(): void;
}

/** Starts the server. Pages of any origin can use it. */
export async function startRedirects(): Promise<Redirects> {
  let followed = 0;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', '*, authorization');
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end();
    } else if (request.url === '/followed') {
      response.end(String(followed));
    } else if (request.url?.startsWith('/target') === true) {
      followed += 1;
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    } else {
      // 307 keeps the method and the body.
      response.writeHead(request.method === 'GET' ? 302 : 307, { location: '/target' }).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
