import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { compareRegions, differenceCount } from './comparison.js';
import { SingleThreadedReplay } from './expected-state.js';
import { operationsOf, regionOfLine } from './operations.js';
import { type OrderLine, readOrderLines } from './order-lines.js';
import type { RegionState } from './region-state.js';

const HEADER = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country';
// Made up: the real lines are not part of the project.
const LINES = [
  '1,MUG,"MUG, ""RED""",2,2011-07-01 08:00:00,1.50,17.0,Norway',
  '2,MUG,MUG BLUE,1,2011-07-01 08:05:00,1.75,,Norway',
  'C3,MUG,"MUG, ""RED""",-2,2011-07-01 09:00:00,1.50,17.0,Norway',
  'C4,CUP,CUP,-1,2011-07-01 09:30:00,0,18.0,Iceland',
];

async function write(name: string, content: string | Buffer): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-lines-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, name), content);
  return join(directory, name);
}

async function read(file: string): Promise<OrderLine[]> {
  const lines: OrderLine[] = [];
  for await (const line of readOrderLines(file)) lines.push(line);
  return lines;
}

function truthOf(lines: readonly OrderLine[], regions: number): SingleThreadedReplay {
  const truth = new SingleThreadedReplay(regions);
  for (const line of lines) truth.apply(operationsOf(line, ''), regionOfLine(line, regions));
  return truth;
}

/** What a region holds that has been told of everything. */
function stateAfter(lines: readonly OrderLine[]): RegionState {
  const { counters, sets, registers } = truthOf(lines, 1).state();
  const text = (value: unknown) => JSON.stringify(value);
  return {
    counters: new Map([...counters].filter(([, value]) => value !== 0)),
    sets: new Map([...sets].map(([key, elements]) => [key, new Set([...elements].map(text))])),
    registers: new Map([...registers].map(([key, candidates]) => [key, text(candidates.get(0))])),
  };
}

test.each([
  { name: 'plain', file: 'orders.csv', pack: (text: string) => text },
  { name: 'gzipped', file: 'orders.csv.gz', pack: (text: string) => gzipSync(text) },
])('Order lines are read from a $name file', async ({ file, pack }) => {
  const lines = await read(await write(file, pack([HEADER, ...LINES].join('\n'))));

  expect(lines).toHaveLength(4);
  expect(lines[0]).toEqual({
    stockCode: 'MUG',
    description: 'MUG, "RED"',
    quantity: 2,
    unitPrice: 1.5,
    customer: '17.0',
    country: 'Norway',
    cancelled: false,
  });
});

test.each([
  { name: 'a file of something else', content: 'a,b\n1,2', says: /no column InvoiceNo/ },
  { name: 'half a quantity', content: `${HEADER}\n1,MUG,MUG,0.5,x,1,17.0,Norway`, says: /line 2/ },
  { name: 'a line with too many fields', content: `${HEADER}\n1,2,3,4,5,6,7,8,9`, says: /orders\.csv/ },
])('Refused with its place: $name', async ({ content, says }) => {
  const file = await write('orders.csv', content);

  await expect(read(file)).rejects.toMatchObject({
    code: 'CAUSEWAY_BAD_REQUEST',
    message: expect.stringMatching(says),
  });
});

test('A file that is no gzip is refused', async () => {
  const file = await write('orders.csv.gz', HEADER);

  await expect(read(file)).rejects.toMatchObject({ code: 'CAUSEWAY_BAD_REQUEST' });
});

test('Lines move stock, keep prices, and fill sets; cancellations take back; guests touch no set', async () => {
  const lines = await read(await write('orders.csv', [HEADER, ...LINES].join('\n')));

  const { counters, sets, registers } = truthOf(lines, 1).state();

  expect(Object.fromEntries(counters)).toEqual({ 'stock:MUG': -1, 'stock:CUP': 1 });
  expect(sets).toEqual(
    new Map([
      ['customers:Norway', new Set(['17.0'])],
      ['customers:Iceland', new Set(['18.0'])],
    ]),
  );
  expect(registers.get('price:MUG')).toEqual(new Map([[0, 1.5]]));
});

test("A customer's lines are all at one region, a guest's where the product is", () => {
  const line = (customer: string, stockCode: string): OrderLine => ({
    ...{
      stockCode,
      customer,
      description: '',
      quantity: 1,
      unitPrice: 1,
      country: 'Norway',
      cancelled: false,
    },
  });
  const regions = new Set(
    Array.from({ length: 100 }, (_, index) => regionOfLine(line(`${index}.0`, 'MUG'), 3)),
  );

  expect(regions).toEqual(new Set([0, 1, 2]));
  expect(regionOfLine(line('17.0', 'MUG'), 3)).toBe(regionOfLine(line('17.0', 'CUP'), 3));
  expect(regionOfLine(line('', 'MUG'), 3)).toBe(regionOfLine(line('MUG', ''), 3));
});

test('The comparison finds what is missing, wrong, or too much, and registers that differ between regions', async () => {
  const lines = await read(await write('orders.csv', [HEADER, ...LINES].join('\n')));
  const expected = truthOf(lines, 1).state();
  const right = stateAfter(lines);
  const wrong: RegionState = {
    counters: new Map([...right.counters, ['stock:MUG', 7], ['stock:HAT', 1]]),
    sets: new Map([['customers:Norway', new Set(['"17.0"', '"19.0"'])]]),
    registers: new Map([...right.registers, ['price:MUG', '1.75']]),
  };

  expect(compareRegions(expected, [right, right]).map(differenceCount)).toEqual([0, 0]);
  expect(compareRegions(expected, [right, wrong])[1]).toEqual({
    counters: ['stock:MUG', 'stock:HAT'],
    sets: ['customers:Norway', 'customers:Iceland'],
    registers: ['price:MUG'],
  });
});
