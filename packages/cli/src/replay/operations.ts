/**
 * What an order line does to a store, and at which region it happens.
 *
 * counter stock:<StockCode>           moves by -Quantity
 * register price:<StockCode>          the last UnitPrice
 * register description:<StockCode>    the last Description
 * set bought:<CustomerID>             gains StockCode; a cancellation removes it
 * set customers:<Country>             gains CustomerID
 *
 * Guests touch no set. A customer's lines all happen at one region, in order; hot products are written everywhere.
 */
import type { OrderLine } from './order-lines.js';

export type LineOperation =
  | { readonly type: 'counter'; readonly key: string; readonly op: 'increment'; readonly by: number }
  | { readonly type: 'register'; readonly key: string; readonly op: 'set'; readonly value: string | number }
  | {
      readonly type: 'set';
      readonly key: string;
      readonly op: 'add' | 'remove';
      readonly values: readonly [string];
    };

/** Operations of one line at most. */
export const LINE_OPERATIONS_MAX = 5;

export function operationsOf(line: OrderLine, prefix: string): LineOperation[] {
  const { stockCode, description, quantity, unitPrice, customer, country, cancelled } = line;
  const operations: LineOperation[] = [
    { type: 'counter', key: `${prefix}stock:${stockCode}`, op: 'increment', by: 0 - quantity },
    { type: 'register', key: `${prefix}price:${stockCode}`, op: 'set', value: unitPrice },
    { type: 'register', key: `${prefix}description:${stockCode}`, op: 'set', value: description },
  ];
  if (customer !== '') {
    const op = cancelled ? 'remove' : 'add';
    operations.push(
      { type: 'set', key: `${prefix}bought:${customer}`, op, values: [stockCode] },
      { type: 'set', key: `${prefix}customers:${country}`, op: 'add', values: [customer] },
    );
  }
  return operations;
}

/** Index of the region where a line happens, of `regions`. */
export function regionOfLine({ customer, stockCode }: OrderLine, regions: number): number {
  return fnv1a(customer === '' ? stockCode : customer) % regions;
}

/** FNV-1a, 32 bits, over UTF-16 code units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
