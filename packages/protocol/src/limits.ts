/**
 * Bounds of what crosses a wire or a public API, each with its unit and its reason. Both sides of a connection
 * hold them: a client may refuse early, a node must refuse.
 */

/** Bytes of a key in UTF-8. Keys stand in every index entry, digest and chunk, so they stay short. */
export const KEY_BYTES_MAX = 1024;

/** Bytes of a register's value or a set's element in canonical encoding. One value is handled in one piece. */
export const VALUE_BYTES_MAX = 1024 * 1024;

/** Bytes of an HTTP body, and of a frame of the client protocol: what one request may hold in memory. */
export const BODY_BYTES_MAX = 8 * 1024 * 1024;

/** Arrays and objects within each other. Bounds the stack of every walk over a value. */
export const NESTING_MAX = 64;

/**
 * Bytes of one big integer, in two's complement: some 2,466 digits. Turning digits into bytes and back takes more
 * than linear time, seconds for a megabyte, and would stall a node.
 */
export const BIGINT_BYTES_MAX = 1024;

/** Operations of one transaction: it is executed, written and replicated in one piece. */
export const TRANSACTION_OPERATIONS_MAX = 1000;

/** Values of one has, add or remove, summed over a request: each of them costs a read of the store. */
export const REQUEST_ELEMENTS_MAX = 100_000;

/** Elements of a set in one answer. Bigger sets are read in pages. */
export const SET_ELEMENTS_MAX = 100_000;

/** Keys in one page of a listing, and their number when nothing is asked for. */
export const KEYS_LIMIT_MAX = 1000;
export const KEYS_LIMIT_DEFAULT = 100;

/** Conflicts that a node keeps, the oldest going first. */
export const CONFLICTS_MAX = 1000;

/** Milliseconds until a register expires, at most: some 285 years, so that a sum with any clock is a safe integer. */
export const TTL_MS_MAX = 9_000_000_000_000;

/** Characters of an idempotency key. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/** Bytes of an encoded chunk. A group commit that would be larger is split. */
export const CHUNK_BYTES_MAX = 16 * 1024 * 1024;

/** Bytes of a frame between nodes: one chunk of the largest size and what names it. */
export const PEER_FRAME_BYTES_MAX = 17 * 1024 * 1024;

/** Arrays and objects within each other in a frame. The messages of version 1 nest six deep. */
export const FRAME_NESTING_MAX = 16;

/**
 * Parts of one frame, where each value counts 1 and binary counts its size up to 4: bounds the memory that a decoded
 * frame takes, to some 50 MB. No part counts more than its bytes, so frames up to this many bytes always pass; who
 * sends many small messages begins a new frame there.
 */
export const FRAME_COST_MAX = 1024 * 1024;

/** Replicas in one version vector or member list, retired ones included: bounds what a hello may hold. */
export const REPLICAS_MAX = 4096;

/** Levels of the tree of digests that repair compares: 16 million leaves are beyond what a store of this kind holds. */
export const REPAIR_LEVEL_MAX = 24;

/** Nodes, digests or ids in one message of a repair. */
export const REPAIR_NODES_MAX = 2 ** 21;

/** Characters of a URL at which a node is dialled. */
export const ADDRESS_LENGTH_MAX = 1024;

/** Characters of an error message or a client's name on the wire; what is longer is cut. */
export const MESSAGE_LENGTH_MAX = 4096;
