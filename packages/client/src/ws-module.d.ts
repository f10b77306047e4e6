/**
 * What this package uses of `ws`. The types of the package itself bring in all of Node's, which would then be there,
 * unnoticed, in the files that run in browsers.
 */

export interface ClientOptions {
  readonly perMessageDeflate: boolean;
  readonly maxPayload: number;
  readonly closeTimeout: number;
}

/** A Buffer: bytes whose text is UTF-8. */
type NodeBytes = Uint8Array<ArrayBuffer>;

export class WebSocket {
  constructor(url: string, subprotocol: string, options: ClientOptions);
  on(event: 'open', listener: () => void): this;
  on(event: 'message', listener: (data: NodeBytes, isBinary: boolean) => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: 'close', listener: (code: number, reason: NodeBytes) => void): this;
  send(bytes: Uint8Array): void;
  close(code?: number, reason?: string): void;
}
