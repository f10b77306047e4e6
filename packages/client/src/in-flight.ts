/**
 * Requests of one connection that were sent and are not answered, by their id.
 *
 * Ids are given out in turn, and nodes answer nearly in turn: an array that is used as a ring finds a request faster
 * than a map would, and allocates nothing. The price is that ids in flight must lie close together, so that one
 * request that is never answered stops the sending when the ring is once around.
 *
 * Invariant: the ids from the oldest to the next are fewer than the slots, so that no two share one. After
 * the one before SPARE_ID comes 1, which skips two slots: hence fewer by two more.
 */
import { REQUEST_ID_MAX } from '@causeway/protocol';
import type { Request } from './request.js';

/** A power of two. At 150,000 operations a second enough for a node that is 100 ms away. */
const SLOTS = 16_384;
const MASK = SLOTS - 1;
/** Never in the ring: the owner's, for a message that is no request of anybody. */
export const SPARE_ID = REQUEST_ID_MAX;

export class InFlight {
  private readonly slots: (Request | undefined)[] = new Array(SLOTS).fill(undefined);
  private oldest: number;
  private next: number;
  /** Ids from `oldest` to `next`. */
  private span = 0;
  private sent = 0;
  private weight = 0;

  constructor(firstId: number) {
    this.oldest = firstId;
    this.next = firstId;
  }

  /** Number of requests in flight. */
  get count(): number {
    return this.sent;
  }

  get bytes(): number {
    return this.weight;
  }

  get full(): boolean {
    return this.span >= SLOTS - 2;
  }

  /** The id that the next request gets. */
  get nextId(): number {
    return this.next;
  }

  /** Takes in a request under the next id, which it already bears. Must not be full. */
  add(request: Request): void {
    this.slots[this.next & MASK] = request;
    this.next = following(this.next);
    this.span += 1;
    this.sent += 1;
    this.weight += request.bytes;
  }

  /** The request with this id. */
  get(id: number): Request | undefined {
    const request = this.slots[id & MASK];
    return request?.id === id ? request : undefined;
  }

  /** The request with this id, which is no longer in flight then. */
  take(id: number): Request | undefined {
    const request = this.get(id);
    if (request === undefined) return undefined;
    this.slots[id & MASK] = undefined;
    this.sent -= 1;
    this.weight -= request.bytes;
    while (this.span > 0 && this.slots[this.oldest & MASK] === undefined) {
      this.oldest = following(this.oldest);
      this.span -= 1;
    }
    return request;
  }

  /** All of them, in the order in which they were sent. */
  all(): Request[] {
    const requests: Request[] = [];
    let id = this.oldest;
    for (let i = 0; i < this.span; i++, id = following(id)) {
      const request = this.slots[id & MASK];
      if (request !== undefined) requests.push(request);
    }
    return requests;
  }
}

function following(id: number): number {
  return id === SPARE_ID - 1 ? 1 : id + 1;
}
