/** Every bound of the core, with its unit and its reason. */

/** Bounds that a host may set: the simulator makes them small, so that every path is taken. */
export interface Limits {
  /** Transactions in one chunk: bounds how far before its firstSeq a reader of the log must look. */
  readonly chunkTransactionsMax: number;
  /** A commit is sealed beyond this many bytes: larger ones gain nothing from sharing an fsync. */
  readonly commitBytesMax: number;
  /**
   * From the begin of one commit to that of the next, where all of it came from peers and nobody has asked for it, ms: a commit
   * costs the same whatever is in it. Several times what a fast disk takes, and little beside the way from another region.
   */
  readonly peerCommitsApartMs: number;
  /** Requests that may be halved, so that disk and executor overlap: see commit-rhythm.ts. */
  readonly halvedFrom: number;
  /** A disk that was idle for longer than so many commits take had nothing to do: no reason to halve. */
  readonly unusedCommits: number;
  /** Bytes of records kept in memory that nobody uses now. */
  readonly cacheBytesMax: number;
  /** Unapplied bytes that one subscription may have under way: what a link of 100 MB/s and 40 ms holds. The same in all nodes. */
  readonly subscriptionWindowBytes: number;
  /** Bytes of chunks of one origin that are decoded before it is their turn: enough to read their records meanwhile. */
  readonly arrivalsOpenBytes: number;
  /** Credit is handed back in portions of so many bytes, so that it costs few frames; well below the window. */
  readonly creditPortionBytes: number;
  /** Bytes of one read of the log for a subscriber that is behind. */
  readonly logReadBytes: number;
  /** Transactions of each origin that stay in the log after all members have them: a link that flaps finds them. */
  readonly logFloorTransactions: number;
  /** Bytes of the log beyond which its oldest chunks go, whoever lacks them: who is away for weeks fills no disks. */
  readonly logBytesMax: number;
  /** Age of a chunk beyond which it goes, ms. */
  readonly logAgeMaxMs: number;
  /** Records that one step of purge or compaction touches, so that writes wait little. */
  readonly housekeepingRecords: number;
  /** Elements that one step of counting a set reads: nothing is written for them, and somebody may wait. */
  readonly countRecords: number;
  /** Bytes of answers that cannot be sent yet, over all sessions: some of the largest; beyond it CAUSEWAY_OVERLOADED. */
  readonly answersBytesMax: number;
  /** How long results of operations with an idempotency key are kept, ms: more than the 24 h that are promised. */
  readonly resultRetentionMs: number;
  /**
   * The Merkle index has 2^bits leaves of 16 bytes: at 18 bits 4 MiB, and with a million records four to a leaf, so that
   * a record that differs costs the walk over few others. 1 to 24.
   */
  readonly indexBits: number;
  /** Bytes of the index's journals, 20 for each changed record, beyond which its pages are stored anew: a start reads both. */
  readonly indexJournalBytesMax: number;
  /** Bytes of stored records a second that a scrub reads: some percent of a core, and of the slowest disks in use. */
  readonly scrubBytesPerSecond: number;
  /** And when the index is lost and has to be counted anew: no repair goes on meanwhile. */
  readonly recountBytesPerSecond: number;
  /** From one background scrub to the next, ms. */
  readonly scrubIntervalMs: number;
  /** Records and ids of a repair that may be under way one way, in bytes. The same in all nodes. */
  readonly repairWindowBytes: number;
  /** Records that one step of a repair reads and looks at, so that writes wait little. */
  readonly repairRecords: number;
  /** How fast repairs go on at least while clients write here, bytes of records a second: some percent of a core. */
  readonly repairBytesPerSecondLeast: number;
  /** And how fast they go when clients begin to write: what comes of it is then seen. */
  readonly repairBytesPerSecondFirst: number;
  /** A repair that takes longer is given up, ms: its views keep every version of what is written over. */
  readonly repairAgeMaxMs: number;
  /** How often this node compares itself with one of its neighbours, ms. */
  readonly compareIntervalMs: number;
  /** How long a view may stay open, ms: meanwhile the store keeps every version of what is written over. */
  readonly viewAgeMaxMs: number;
  /** A member of which nobody has heard for so long may be evicted by a majority, ms: its peers keep evidence until then. */
  readonly maxOfflineMs: number;
  /** How far a clock may be from what the majority agrees on, ms; also how far a stamp may be ahead to be followed. */
  readonly maxClockSkewMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  chunkTransactionsMax: 1_024,
  commitBytesMax: 1 << 20,
  peerCommitsApartMs: 2,
  halvedFrom: 32,
  unusedCommits: 8,
  cacheBytesMax: 96 << 20,
  subscriptionWindowBytes: 4 << 20,
  arrivalsOpenBytes: 256 << 10,
  creditPortionBytes: 256 << 10,
  logReadBytes: 256 << 10,
  logFloorTransactions: 10_000,
  logBytesMax: 4 * 2 ** 30,
  logAgeMaxMs: 14 * 86_400_000,
  housekeepingRecords: 256,
  countRecords: 4_096,
  answersBytesMax: 256 << 20,
  resultRetentionMs: 25 * 3_600_000,
  indexBits: 18,
  indexJournalBytesMax: 8 << 20,
  scrubBytesPerSecond: 4 << 20,
  recountBytesPerSecond: 32 << 20,
  scrubIntervalMs: 24 * 3_600_000,
  repairWindowBytes: 4 << 20,
  repairRecords: 512,
  repairBytesPerSecondLeast: 1 << 20,
  repairBytesPerSecondFirst: 4 << 20,
  repairAgeMaxMs: 1_800_000,
  compareIntervalMs: 30_000,
  viewAgeMaxMs: 3_600_000,
  maxOfflineMs: 7 * 24 * 3_600_000,
  maxClockSkewMs: 500,
};

/** What a record costs in memory beyond its bytes, roughly: 250 to 330 were measured, by type. */
export const SLOT_BYTES = 300;

/** Bytes that the records of one transaction may take in a chunk, with the key of each: a chunk holds it whole. */
export const TRANSACTION_BYTES_MAX = 11 << 20;
/** Records and dots of one transaction, for the same reason. */
export const TRANSACTION_ITEMS_MAX = 1 << 19;
/** Bytes of one answer, whatever number of operations it is of. */
export const ANSWER_BYTES_MAX = 16 << 20;

/** What an element that has been read takes in memory beyond its bytes, roughly. */
export const READ_ELEMENT_BYTES = 300;
/** What a listing of keys holds: a page of the store, and its own. */
export const LISTING_BYTES = 2 << 20;

/** Requests that wait in the queue; beyond it CAUSEWAY_OVERLOADED. */
export const REQUESTS_MAX = 50_000;
/** Bytes of the operations that wait in the queue; beyond it CAUSEWAY_OVERLOADED. */
export const REQUEST_BYTES_MAX = 64 << 20;

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
/** Messages that are held while a handshake looks something up. */
export const HELD_MESSAGES_MAX = 1_000;
export const REDIAL_MIN_MS = 50;
/** How long a link that works again is not noticed, at most and by a quarter; eight dials a second of a region that is down. */
export const REDIAL_MAX_MS = 125;
/** After a refusal, which only an operator can mend. */
export const REFUSED_REDIAL_MS = 5_000;
/** So often a copy is told that its original lives before it believes that: a link of a dead process may look alive once. */
export const TWIN_REFUSALS = 2;
/** What becomes durable within this after something else is acknowledged with it. */
export const ACK_DELAY_MS = 2;
/** From one acknowledgement to the next, at least, where it goes along with chunks and wakes nobody by itself. */
export const ACK_INTERVAL_MS = 10;
/** The same where nothing goes along with it: it costs what a chunk costs. */
export const ACK_ALONE_MS = 20;
/** A chunk that waits this long for another origin's has that origin taken from its sender. */
export const CAUSAL_WAIT_MS = 1_000;
/** What a detour has on its way is taken from it for so long after the origin itself is linked again. */
export const DETOUR_MS = 1_000;
/** And for so long beyond that while it goes on bringing: a backlog that is half here would come twice. */
export const DETOUR_LONGER_MS = 1_000;
/** A detour that has brought nothing for so long has nothing on its way. */
export const DETOUR_PAUSE_MS = 200;
/** How long such an override holds. */
export const OVERRIDE_MS = 5_000;

/** Views open at once, each with a copy of the index (4 MiB): those of a few sessions, and one of this node's own. */
export const VIEWS_MAX = 8;

/** One page of a scrub or a recount: half a millisecond of the executor's time. */
export const RECOUNT_PAGE = { entriesMax: 256, bytesMax: 128 << 10 };
/** Records written while one page is read, which a page has to take in; beyond it the page is read again. */
export const RECOUNT_CHANGES_MAX = 1 << 16;
/** Keys of damaged records that one pass remembers for those who mend them: the next pass finds the rest. */
export const DAMAGED_MAX = 100_000;
/** After a damaged record was met a pass follows, that the digests tell what is lost; so long after the last one. */
export const DAMAGE_SCRUB_MS = 60_000;
/** After a page that could not be read. */
export const RECOUNT_RETRY_MS = 1_000;
/** Sessions that this node is the source of at a time, one for each link. */
export const REPAIR_SOURCES_MAX = 3;
/** A side that does not catch up with the other's view in this time gives up; more load than that is no repair's. */
export const REPAIR_PATIENCE_MS = 10_000;
/** Bytes of records that share a message, unless one alone is larger: a few milliseconds of the receiver's time. */
export const REPAIR_MESSAGE_BYTES = 64 << 10;
/** After a session that came to nothing, and how far the wait grows. */
export const REPAIR_RETRY_MS = 1_000;
/** Catch-ups in a row that a neighbour refuses as stale, until who still joins, and has part of a history, begins anew. */
export const STALE_TRIES_MAX = 3;
export const REPAIR_RETRY_MAX_MS = 30_000;
/** Questions for digests in one session: a descent of one level at a time has fewer. */
export const REPAIR_COMPARES_MAX = 64;
/** Batches of ids that wait for their answer, however few bytes they have. */
export const REPAIR_BATCHES_MAX = 1_024;

/** Readiness of the first node of a cluster, when no seed answers. */
export const FIRST_NODE_MS = 5_000;

/** A node that begins anew waits for so long for all who may answer, once one has. */
export const REJOIN_ANSWER_MS = 3_000;
/** For so long it waits with serving until what it had not handed on is issued again. */
export const REISSUE_WAIT_MS = 10_000;

/** How often the log is cut and evidence compacted. */
export const HOUSEKEEPING_INTERVAL_MS = 2_000;

export const RESULT_BYTES_MAX = 256 << 20;

/** Conflict feed of this node. */
export const CONFLICTS_MAX = 1_000;
export const CONFLICT_BYTES_MAX = 16 << 20;

/** Own commits whose acknowledgement is timed. */
export const TIMED_COMMITS_MAX = 20_000;
export const WATCHES_PER_SESSION_MAX = 1_000;
/** Living members: a gossip holds a version vector for each. */
export const MEMBERS_MAX = 128;
/** Retired ones, which stay in every version vector for good. */
export const RETIRED_MAX = 1_024;
/** Links, of which duplicates close at once. */
export const LINKS_MAX = 4 * 64;
