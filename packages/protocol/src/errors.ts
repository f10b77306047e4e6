/**
 * Every error code that crosses a package, a wire or the public API: one table, one class.
 *
 * Codes stay for ever, wording may improve. `status` is what the HTTP API answers. `retryable` means that the
 * very same request may be sent again later, may then succeed, and cannot take effect twice by that; an unknown
 * outcome is therefore not retryable without an idempotency key. `meaning` is what the documentation says.
 */

interface ErrorEntry {
  /** HTTP status. Codes that only a client or a peer link sees carry the nearest one. */
  readonly status: number;
  readonly retryable: boolean;
  readonly meaning: string;
}

export const ERRORS = {
  CAUSEWAY_BAD_REQUEST: {
    status: 400,
    retryable: false,
    meaning: 'The request is malformed: an unknown field, a missing argument, a wrong type.',
  },
  CAUSEWAY_BAD_KEY: {
    status: 400,
    retryable: false,
    meaning: 'The key is not well-formed Unicode of 1 to 1,024 UTF-8 bytes.',
  },
  CAUSEWAY_BAD_VALUE: {
    status: 400,
    retryable: false,
    meaning: 'The value cannot be stored: not a type that MessagePack holds, NaN, infinite, nested too deep.',
  },
  CAUSEWAY_BAD_AMOUNT: {
    status: 400,
    retryable: false,
    meaning: 'The amount of an increment is not an integer within ±(2^53-1).',
  },
  CAUSEWAY_OVERFLOW: {
    status: 400,
    retryable: false,
    meaning: 'The increment would take the counter beyond ±(2^53-1); nothing was changed.',
  },
  CAUSEWAY_UNAUTHORIZED: {
    status: 401,
    retryable: false,
    meaning: 'The request carries no token, or one that is not known.',
  },
  CAUSEWAY_FORBIDDEN: {
    status: 403,
    retryable: false,
    meaning: 'The caller may not do this.',
  },
  CAUSEWAY_ORIGIN_REFUSED: {
    status: 403,
    retryable: false,
    meaning: "The browser's Origin is not among the allowed ones.",
  },
  CAUSEWAY_NOT_FOUND: {
    status: 404,
    retryable: false,
    meaning: 'There is nothing under this key, or no such path.',
  },
  CAUSEWAY_METHOD_NOT_ALLOWED: {
    status: 405,
    retryable: false,
    meaning: 'The path exists, but not with this method.',
  },
  CAUSEWAY_TOO_LARGE: {
    status: 413,
    retryable: false,
    meaning: 'A value, an element, a body, a transaction or an answer is over its limit.',
  },
  CAUSEWAY_IDEMPOTENCY_MISMATCH: {
    status: 422,
    retryable: false,
    meaning: 'The idempotency key was used before, with another request.',
  },
  CAUSEWAY_IDEMPOTENCY_FULL: {
    status: 429,
    retryable: true,
    meaning: 'The kept idempotency keys have reached their bound in bytes; nothing was changed.',
  },
  CAUSEWAY_OVERLOADED: {
    status: 503,
    retryable: true,
    meaning: 'The node has too much in hand to take this request; nothing was changed.',
  },
  CAUSEWAY_NOT_READY: {
    status: 503,
    retryable: true,
    meaning: 'The node is joining and has not caught up with its peers yet.',
  },
  CAUSEWAY_READ_FAILED: {
    status: 503,
    retryable: true,
    meaning: 'The disk failed to read what was asked for; nothing was changed.',
  },
  CAUSEWAY_READ_ONLY: {
    status: 503,
    retryable: true,
    meaning: 'The disk refuses writes; the node serves reads until writing works again.',
  },
  CAUSEWAY_CLOCK_SKEW: {
    status: 503,
    retryable: true,
    meaning: "The node's clock is off by more than the bound; it takes no register writes until it is back.",
  },
  CAUSEWAY_SESSION_BEHIND: {
    status: 503,
    retryable: true,
    meaning: 'The node has not received everything that the session has seen or written.',
  },
  CAUSEWAY_DRAINING: {
    status: 503,
    retryable: true,
    meaning: 'The node is stopping and takes no new requests.',
  },
  CAUSEWAY_OUTCOME_UNKNOWN: {
    status: 503,
    retryable: false,
    meaning:
      'The request may or may not have taken effect: the write failed, or the connection ended, midway.',
  },
  CAUSEWAY_TIMEOUT: {
    status: 504,
    retryable: false,
    meaning: 'No answer came in time; the request may still take effect.',
  },
  CAUSEWAY_NOT_IMPLEMENTED: {
    status: 501,
    retryable: false,
    meaning: 'This version does not have what was asked for.',
  },
  CAUSEWAY_UNREACHABLE: {
    status: 503,
    retryable: true,
    meaning: 'No endpoint answered the handshake in time; nothing was sent.',
  },
  CAUSEWAY_CONNECTION_LOST: {
    status: 503,
    retryable: true,
    meaning: 'The connection ended before the request was sent; it had no effect.',
  },
  CAUSEWAY_CLOSED: {
    status: 503,
    retryable: false,
    meaning: 'The client or the embedded node was closed.',
  },
  CAUSEWAY_WATCH_OVERFLOW: {
    status: 503,
    retryable: true,
    meaning: 'The watcher read too slowly and was ended; changes were missed.',
  },
  CAUSEWAY_WATCH_INTERRUPTED: {
    status: 503,
    retryable: true,
    meaning: 'The watch ended with its connection or its node; changes may have been missed.',
  },
  CAUSEWAY_BAD_FRAME: {
    status: 400,
    retryable: false,
    meaning: 'A frame is not a message of the protocol; the connection is closed.',
  },
  CAUSEWAY_BAD_VERSION: {
    status: 400,
    retryable: false,
    meaning: 'The two sides share no version of the protocol; the connection is closed.',
  },
  CAUSEWAY_BAD_CHUNK: {
    status: 500,
    retryable: false,
    meaning: 'A replicated chunk is malformed or its checksum does not match; the link is closed.',
  },
  CAUSEWAY_CORRUPT: {
    status: 500,
    retryable: false,
    meaning: 'A stored record is not what was written: its checksum or its encoding is wrong.',
  },
  CAUSEWAY_LOG_GAP: {
    status: 503,
    retryable: true,
    meaning: 'The log no longer reaches back to where the subscriber stands; repair is needed.',
  },
  CAUSEWAY_AMNESIA: {
    status: 503,
    retryable: false,
    meaning: 'A replica has forgotten writes that others have of it, as after a restored volume.',
  },
  CAUSEWAY_STALE: {
    status: 503,
    retryable: false,
    meaning: 'A replica was away for longer than its peers keep evidence of removals.',
  },
  CAUSEWAY_REMOVED: {
    status: 503,
    retryable: false,
    meaning:
      'The replica has left the cluster, or an operator has removed it; it starts anew with a new data directory.',
  },
  CAUSEWAY_EVICTED: {
    status: 503,
    retryable: false,
    meaning:
      'The replica was away for longer than its peers wait, and was evicted; it joins again under a new identity.',
  },
  CAUSEWAY_NOT_HANDED_OVER: {
    status: 503,
    retryable: true,
    meaning: 'The node does not leave: its peers have not acknowledged everything, or none is connected.',
  },
  CAUSEWAY_DUPLICATE_IDENTITY: {
    status: 503,
    retryable: false,
    meaning: 'Two live nodes carry one replica identity, as after a copied directory.',
  },
  CAUSEWAY_REJOINING: {
    status: 503,
    retryable: true,
    meaning: 'The node leaves its identity behind; it takes writes again when it has begun anew from a peer.',
  },
  CAUSEWAY_BAD_CONFIG: {
    status: 500,
    retryable: false,
    meaning: 'The configuration is wrong; the node does not start.',
  },
  CAUSEWAY_DATA_IN_USE: {
    status: 500,
    retryable: false,
    meaning: 'Another process has the data directory open.',
  },
  CAUSEWAY_DATA_UNREADABLE: {
    status: 500,
    retryable: false,
    meaning: 'The data directory cannot be read: damaged, or of a format that this version does not know.',
  },
  CAUSEWAY_INTERNAL: {
    status: 500,
    retryable: false,
    meaning: 'A fault of the node itself; its log says more.',
  },
} as const satisfies Readonly<Record<`CAUSEWAY_${string}`, ErrorEntry>>;

/** A code of the table. */
export type ErrorCode = keyof typeof ERRORS;

/** A code as a peer of another version may send it: of the table, or unknown here. */
export type WireErrorCode = `CAUSEWAY_${string}`;

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code);
}

/** Something that the caller can act upon by its `code`. Faults of our own are assertions instead. */
export class CausewayError extends Error {
  readonly code: WireErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'CausewayError';
    this.code = code;
    this.retryable = ERRORS[code].retryable;
  }

  /** HTTP status of the code; 500 for one that is not in the table. */
  get status(): number {
    return isErrorCode(this.code) ? ERRORS[this.code].status : 500;
  }

  /**
   * The error that another process told of. A code that this version does not know is kept as it is and not
   * retryable; text that is no code at all becomes CAUSEWAY_INTERNAL.
   */
  static fromWire(code: string, message: string): CausewayError {
    if (isErrorCode(code)) return new CausewayError(code, message);
    const error = new CausewayError('CAUSEWAY_INTERNAL', message);
    if (/^CAUSEWAY_[A-Z0-9_]{1,64}$/.test(code)) {
      (error as { code: WireErrorCode }).code = code as WireErrorCode;
    }
    return error;
  }
}
