/**
 * Addresses as people write them: `host:port`, with an IPv6 host in brackets (`[::1]:7001`).
 */

export interface HostPort {
  readonly host: string;
  /** 0..65535; 0 asks the system for a free port. */
  readonly port: number;
}

/** Throws RangeError, which names the text, when it is no address. */
export function parseAddress(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535) throw new RangeError(`not an address (host:port): ${text}`);
  return { host, port };
}

export function formatAddress({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
