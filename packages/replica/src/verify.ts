/**
 * Verify: whether what a store holds is whole, and fits together. Told every entry in the order of the keys, it keeps
 * a few figures and the index, whatever the number of records; it changes nothing and needs no replica.
 *
 * - Every sealed value passes its checksum and decodes.
 * - The log of each origin has no holes, no damaged chunk, and ends where the replica record says.
 * - The digests of the records sum up to the root, and so do the leaves of the index.
 */
import { Digest, Hasher, type ReplicaId } from '@causeway/crdt';
import { ByteReader, CausewayError, decodeChunk, unsealValue } from '@causeway/protocol';
import type { ScanEntry } from './events.js';
import { decodeMember } from './replication/member-register.js';
import { decodeDeparture } from './store/departure.js';
import { IndexPages } from './store/index-pages.js';
import { bytesText, DEPARTURE_PREFIX, IDENTITY_KEY, KIND, REPLICA_KEY, textOfKey } from './store/keyspace.js';
import { MerkleIndex } from './store/merkle.js';
import { decodeIdentity, decodeReplicaRecord, type ReplicaRecord } from './store/replica-record.js';
import { addStoredDigest } from './store/stored-digest.js';

const FINDINGS_MAX = 100;

export interface VerifiedPart {
  readonly name: string;
  entries: number;
  bytes: number;
  findings: number;
}

export interface Verification {
  readonly replica: ReplicaId | undefined;
  readonly parts: readonly VerifiedPart[];
  /** The first of them, in words. */
  readonly findings: readonly string[];
  readonly findingsCount: number;
}

const NAMES: Readonly<Record<number, string>> = {
  [KIND.register]: 'registers',
  [KIND.set]: 'sets',
  [KIND.element]: 'elements',
  [KIND.counter]: 'counters',
  [KIND.log]: 'log',
  [KIND.stash]: 'log left behind',
  [KIND.member]: 'members',
  [KIND.identity]: 'replica',
  [KIND.result]: 'results',
  [KIND.indexPage]: 'index',
  [KIND.indexJournal]: 'index',
};

export class Verifier {
  private readonly parts = new Map<string, VerifiedPart>();
  private readonly findings: string[] = [];
  private findingsCount = 0;
  private readonly root = new Digest();
  private readonly hasher = new Hasher();
  private readonly index: ScanEntry[] = [];
  private replica: ReplicaId | undefined;
  private record: ReplicaRecord | undefined;
  /** Newest chunk of each origin. */
  private readonly logs = new Map<ReplicaId, { lastSeq: number; start: number }>();

  /** The next entry of the store. */
  take(entry: ScanEntry): void {
    const { key, value } = entry;
    const part = this.part(NAMES[key[0] ?? 0] ?? 'housekeeping');
    part.entries++;
    part.bytes += key.length + value.length;
    try {
      this.check(entry, part);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.find(part, `${describe(key)}: ${error.message}`);
    }
  }

  /** To be called once, after the last entry. */
  finish(): Verification {
    const replica = this.part('replica');
    if (this.replica === undefined) this.find(replica, 'there is no identity');
    if (this.record === undefined) this.find(replica, 'there is no replica record');
    else this.compare(this.record);
    const { parts, findings, findingsCount } = this;
    return { replica: this.replica, parts: [...parts.values()], findings, findingsCount };
  }

  private check({ key, value }: ScanEntry, part: VerifiedPart): void {
    switch (key[0]) {
      case KIND.register:
      case KIND.set:
      case KIND.element:
      case KIND.counter:
        return addStoredDigest(this.root, this.hasher, key, value);
      case KIND.log:
        return this.chunk(value, part);
      case KIND.stash:
        decodeChunk(value);
        return;
      case KIND.member:
        decodeMember(textOfKey(key) as ReplicaId, new ByteReader(unsealValue(key, value)));
        return;
      case KIND.identity:
        return this.identity({ key, value });
      case KIND.result:
        unsealValue(key, value);
        return;
      case KIND.indexPage:
      case KIND.indexJournal:
        unsealValue(key, value);
        this.index.push({ key, value });
        return;
      case KIND.damaged:
        return this.find(part, `${describe(key.subarray(1))} was found damaged before, and lacks something`);
      default:
    }
  }

  private identity({ key, value }: ScanEntry): void {
    const id = bytesText(key);
    if (id === bytesText(IDENTITY_KEY)) this.replica = decodeIdentity(value);
    else if (id === bytesText(REPLICA_KEY)) this.record = decodeReplicaRecord(value);
    else if (id.startsWith(bytesText(DEPARTURE_PREFIX))) decodeDeparture({ key, value });
    else unsealValue(key, value);
  }

  private chunk(value: Uint8Array, part: VerifiedPart): void {
    const { origin, firstSeq, lastSeq, start } = decodeChunk(value);
    const before = this.logs.get(origin)?.lastSeq;
    if (before !== undefined && firstSeq > before + 1) {
      this.find(part, `${origin}: transactions ${before + 1} to ${firstSeq - 1} are missing in the log`);
    }
    this.logs.set(origin, { lastSeq, start });
  }

  private compare({ positions, root }: ReplicaRecord): void {
    const log = this.part('log');
    for (const [origin, { lastSeq, start }] of this.logs) {
      const position = positions.get(origin);
      if (position?.seq !== lastSeq || position.start !== start) {
        this.find(
          log,
          `${origin}: the log ends at ${lastSeq}, the replica record at ${position?.seq ?? 'nothing'}`,
        );
      }
    }
    if (!root.equals(this.root)) {
      const message = `the records sum up to ${this.root.toHex()}, the replica record says ${root.toHex()}`;
      this.find(this.part('replica'), message);
    }
    this.compareIndex(root);
  }

  private compareIndex(root: Digest): void {
    const [first] = this.index;
    if (first === undefined) return;
    const [bits = 0] = unsealValue(first.key, first.value);
    const index = new MerkleIndex(bits);
    index.root.set(root);
    new IndexPages(index).restore(this.index);
    if (!index.isWhole)
      this.find(this.part('index'), 'its leaves do not sum up to the root: it will be counted anew');
  }

  private part(name: string): VerifiedPart {
    let part = this.parts.get(name);
    if (part === undefined) {
      part = { name, entries: 0, bytes: 0, findings: 0 };
      this.parts.set(name, part);
    }
    return part;
  }

  private find(part: VerifiedPart, message: string): void {
    part.findings++;
    this.findingsCount++;
    if (this.findings.length < FINDINGS_MAX) this.findings.push(`${part.name}: ${message}`);
  }
}

function describe(key: Uint8Array): string {
  const text = textOfKey(key);
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
