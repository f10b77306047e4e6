/** What clients ask, and what they are answered, in plain values: tests are to read as sentences. */
import { stampToText } from '@causeway/crdt';
import { decodeCanonical, encodeCanonical, type Operation, type Result } from '@causeway/protocol';

export const bytes = (value: unknown): Uint8Array => encodeCanonical(value);
export const plain = (value: Uint8Array): unknown => decodeCanonical(value);

export const put = (key: string, value: unknown, ttlMs?: number): Operation => ({
  op: 'register.set',
  key,
  value: bytes(value),
  ...(ttlMs === undefined ? {} : { ttlMs }),
});
export const get = (key: string): Operation => ({ op: 'register.get', key });
export const del = (key: string): Operation => ({ op: 'register.delete', key });

export const update = (key: string, change: { add?: unknown[]; remove?: unknown[] }): Operation => ({
  op: 'set.update',
  key,
  add: (change.add ?? []).map(bytes),
  remove: (change.remove ?? []).map(bytes),
});
export const add = (key: string, ...values: unknown[]): Operation => update(key, { add: values });
export const remove = (key: string, ...values: unknown[]): Operation => update(key, { remove: values });
export const clear = (key: string): Operation => ({ op: 'set.clear', key });
export const has = (key: string, ...values: unknown[]): Operation => ({
  op: 'set.has',
  key,
  values: values.map(bytes),
});
export const size = (key: string): Operation => ({ op: 'set.size', key });
export const values = (key: string, page: { limit?: number; after?: unknown } = {}): Operation => ({
  op: 'set.values',
  key,
  ...(page.limit === undefined ? {} : { limit: page.limit }),
  ...('after' in page ? { after: bytes(page.after) } : {}),
});

export const increment = (key: string, by = 1): Operation => ({ op: 'counter.increment', key, by });
export const count = (key: string): Operation => ({ op: 'counter.get', key });
export const reset = (key: string): Operation => ({ op: 'counter.reset', key });

/** The value read; the number counted; the elements; for a write of a register its stamp as text; else null. */
export function plainResult(result: Result): unknown {
  switch (result.op) {
    case 'register.get':
      return result.value === undefined ? undefined : plain(result.value);
    case 'register.set':
      return stampToText(result.stamp);
    case 'set.update':
    case 'set.size':
      return result.size;
    case 'set.has':
      return result.has;
    case 'set.values':
      return result.more ? [...result.values.map(plain), 'more'] : result.values.map(plain);
    case 'counter.increment':
    case 'counter.get':
      return result.value;
    default:
      return null;
  }
}
