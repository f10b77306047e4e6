/** Every bound of the core, with its unit and its reason. */

/** Transactions in one chunk: bounds how far before its firstSeq a reader of the log must look. */
export const CHUNK_TRANSACTIONS_MAX = 1_024;
/** A commit is sealed beyond this many bytes: larger ones gain nothing from sharing an fsync. */
export const COMMIT_BYTES_MAX = 1 << 20;
/** Bytes of records kept in memory that nobody uses now. */
export const CACHE_BYTES_MAX = 64 << 20;
/** What a record costs in memory beyond its bytes, roughly. */
export const SLOT_BYTES = 400;

/** Requests that wait in the queue; beyond it CAUSEWAY_OVERLOADED. */
export const REQUESTS_MAX = 50_000;
/** Bytes of the operations that wait in the queue; beyond it CAUSEWAY_OVERLOADED. */
export const REQUEST_BYTES_MAX = 64 << 20;

/** Unapplied bytes that one subscription may have under way: what a link of 100 MB/s and 40 ms holds. */
export const SUBSCRIPTION_WINDOW_BYTES = 4 << 20;
/** Credit is handed back in portions, so that it costs few frames. */
export const CREDIT_PORTION_BYTES = 256 << 10;
/** One read of the log for a subscriber that is behind. */
export const LOG_READ_BYTES = 256 << 10;

/** Each neighbour hears from each twice a second, whatever happens. */
export const GOSSIP_INTERVAL_MS = 500;
/** A link that is silent for five gossips is dead: noticed within three seconds. */
export const LINK_SILENCE_MS = 2_500;
/** A link that is asked whether its process lives answers within this: some round trips of the longest links. */
export const CHALLENGE_MS = 1_000;
/** A dial must open within this: two round trips of the longest links there are, and again soon. */
export const DIAL_TIMEOUT_MS = 1_500;
/** Handshake after the opening. */
export const HANDSHAKE_TIMEOUT_MS = 3_000;
export const REDIAL_MIN_MS = 50;
export const REDIAL_MAX_MS = 500;
/** After a refusal, which only an operator can mend. */
export const REFUSED_REDIAL_MS = 5_000;
/** Acknowledgements of one turn share a frame: at most this old. */
export const ACK_DELAY_MS = 2;
/** A chunk that waits this long for another origin's has that origin taken from its sender. */
export const CAUSAL_WAIT_MS = 1_000;
/** How long such an override holds. */
export const OVERRIDE_MS = 5_000;

/** Readiness of the first node of a cluster, when no seed answers. */
export const FIRST_NODE_MS = 5_000;

/** Chunks stay in the log for this many transactions of each origin after all members have them: a link that
 * flaps, or a member that is restored within moments, finds them. */
export const LOG_FLOOR_TRANSACTIONS = 10_000;
/** How often the log is cut and evidence compacted. */
export const HOUSEKEEPING_INTERVAL_MS = 2_000;
/** Records that one step of purge or compaction touches, so that writes wait little. */
export const HOUSEKEEPING_RECORDS = 256;

/** Results of operations with an idempotency key. */
export const RESULT_RETENTION_MS = 25 * 3_600_000;
export const RESULT_BYTES_MAX = 256 << 20;

/** Conflict feed of this node. */
export const CONFLICTS_MAX = 1_000;
export const CONFLICT_BYTES_MAX = 16 << 20;

/** Own commits whose acknowledgement is timed. */
export const TIMED_COMMITS_MAX = 20_000;
export const WATCHES_PER_SESSION_MAX = 1_000;
/** Members and origins: bounds every version vector. */
export const MEMBERS_MAX = 1_000;
/** Links, of which duplicates close at once. */
export const LINKS_MAX = 4 * 64;
