/**
 * Bounds of the client port, each with its unit and its reason. What stands in a request is bounded in the
 * protocol package; here is what connections may cost a node.
 */
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '@causeway/protocol';

/** Open connections, HTTP and WebSocket together: each may hold a body, a frame and unread answers. */
export const CONNECTIONS_MAX = 10_000;

/** Bytes of a request's line and headers: the path of a page may carry an element as its cursor, in base64url. */
export const HEADER_BYTES_MAX = Math.ceil((VALUE_BYTES_MAX * 4) / 3) + 3 * KEY_BYTES_MAX + 32 * 1024;

/** Milliseconds until the headers, and until the whole request, must have come: slow senders hold memory. */
export const HEADERS_TIMEOUT_MS = 20_000;
export const REQUEST_TIMEOUT_MS = 60_000;

/** Milliseconds that an idle HTTP connection stays open: longer than what proxies before it keep theirs. */
export const KEEP_ALIVE_MS = 75_000;

/** Milliseconds after which an HTTP connection is cut on which nothing moves, though something should. */
export const STALLED_MS = 120_000;

/** Bytes of all bodies that are being received at once; beyond it CAUSEWAY_OVERLOADED. */
export const BODIES_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Bytes of an oversize body that are received and dropped, so that its sender gets to read the answer; beyond
 * it the connection is cut.
 */
export const DISCARD_BYTES_MAX = 64 * 1024 * 1024;

/** Requests of one HTTP connection that are with the replica: their answers may be a value each. */
export const PIPELINE_STARTED_MAX = 16;
/** Requests of one HTTP connection under way; with more it is not read from. */
export const PIPELINE_MAX = 64;
/** With so many it is cut: one read from the socket may bring some thousand at most. */
export const PIPELINE_CUT = 8_192;

/** Nesting of a JSON body: the depth of values, what stands around them, and one `$` form within. */
export const JSON_ENVELOPE_DEPTH = 6;

/** Elements of a page of a set when only `after` is given. */
export const SET_LIMIT_DEFAULT = 1_000;

/** Seconds after which a client may try again. */
export const RETRY_AFTER_SECONDS = 1;

/** Requests of one WebSocket that are with the replica; with more it is not read from. */
export const SOCKET_REQUESTS_MAX = 4_096;
/** What they may weigh: their bytes, and what their answers may take. Bytes. */
export const SOCKET_REQUESTS_BYTES_MAX = 16 * 1024 * 1024;
/** What a request weighs beyond its bytes, and an element of a page that is asked for, roughly. Bytes. */
export const REQUEST_BYTES = 64;
/** What the answer of a read is taken to weigh until some have been seen. Bytes. */
export const READ_BYTES = 128 * 1024;
export const PAGE_ELEMENT_BYTES = 256;
/** What the answer with a whole set weighs: few of them are under way at once. Bytes. */
export const PAGE_BYTES = 4 * 1024 * 1024;

/** Bytes of replies in one frame; what is more goes into the next. */
export const REPLY_FRAME_BYTES = 1024 * 1024;
/** Bytes that wait for a client beyond which nothing more is read from it. */
export const UNREAD_BYTES_MAX = 1024 * 1024;
/** Bytes that wait for a client beyond which its watches end with CAUSEWAY_WATCH_OVERFLOW. */
export const UNREAD_CHANGES_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes that wait for a client beyond which it is cut: more than the first answers under way can be. */
export const UNREAD_CUT_BYTES = 192 * 1024 * 1024;
/** Milliseconds after which a client is cut that has taken nothing of what waits for it. */
export const UNREAD_TIMEOUT_MS = 30_000;

/** Milliseconds until the hello must have come. */
export const HELLO_TIMEOUT_MS = 10_000;

/** Milliseconds of silence until the system asks whether the other side is still there. */
export const TCP_KEEP_ALIVE_MS = 30_000;
