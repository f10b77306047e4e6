/**
 * One client of the HTTP API: one connection, requests in turn, each bounded in time. It is reopened by the next
 * request when it was lost.
 */
import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  /** Parsed JSON. */
  readonly body: unknown;
}

const TIMEOUT_MS = 10_000;

export class HttpClient {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  /** `origin` as in http://127.0.0.1:7400. */
  constructor(private readonly origin: string) {}

  /** Rejects with the system's error when no whole answer came: whether the request took effect is then not known. */
  send(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const { agent, origin } = this;
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, origin), { agent, method, headers, timeout: TIMEOUT_MS });
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
      sent.on('error', reject);
      sent.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('error', reject);
        response.on('end', () => {
          try {
            resolve({ status: response.statusCode ?? 0, body: text === '' ? undefined : JSON.parse(text) });
          } catch (error) {
            reject(error);
          }
        });
      });
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  close(): void {
    this.agent.destroy();
  }
}
