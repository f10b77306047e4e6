/**
 * Export: everything at a node as lines of JSON, read through its client port while it goes on.
 *
 *   {"type":"register","key":…,"value":…}
 *   {"type":"set","key":…,"values":[…]}       a large set takes several lines
 *   {"type":"counter","key":…,"value":…}
 *
 * Values are in the JSON forms of the HTTP API. Each key is read by itself, so the whole is no moment of the node's; a
 * time to live is not told.
 */
import { listKeys } from '../commands/keys.js';
import { postJson, readJson } from '../node-api.js';

export type ExportedLine =
  | { readonly type: 'register'; readonly key: string; readonly value: unknown }
  | { readonly type: 'set'; readonly key: string; readonly values: readonly unknown[] }
  | { readonly type: 'counter'; readonly key: string; readonly value: unknown };

const KEYS_PER_READ = 100;
const ELEMENTS_PER_LINE = 1_000;

export async function* exportLines(
  node: string,
  filter: { readonly type?: string; readonly prefix?: string },
): AsyncGenerator<ExportedLine> {
  let waiting: { readonly type: string; readonly key: string }[] = [];
  for await (const listed of listKeys(node, filter)) {
    if (listed.type === 'set') yield* linesOfSet(node, listed.key);
    else waiting.push(listed);
    if (waiting.length < KEYS_PER_READ) continue;
    yield* linesOf(node, waiting);
    waiting = [];
  }
  yield* linesOf(node, waiting);
}

async function* linesOf(
  node: string,
  keys: readonly { readonly type: string; readonly key: string }[],
): AsyncGenerator<ExportedLine> {
  if (keys.length === 0) return;
  const operations = keys.map(({ type, key }) => ({ type, key, op: 'get' }));
  const { results } = (await postJson(node, '/v1/transactions', { operations })) as {
    results: ({ value: unknown } | null)[];
  };
  for (const [index, { type, key }] of keys.entries()) {
    const result = results[index];
    // Gone since it was listed.
    if (result === null || result === undefined) continue;
    yield { type: type as 'register' | 'counter', key, value: result.value };
  }
}

async function* linesOfSet(node: string, key: string): AsyncGenerator<ExportedLine> {
  let after: string | undefined;
  do {
    const query = { limit: String(ELEMENTS_PER_LINE), after };
    const page = (await readJson(node, `/v1/sets/${encodeURIComponent(key)}`, query).catch(absent)) as {
      values: unknown[];
      after?: string;
    };
    if (page.values.length > 0) yield { type: 'set', key, values: page.values };
    after = page.after;
  } while (after !== undefined);
}

function absent(error: unknown): { values: unknown[] } {
  if (error instanceof Error && 'code' in error && error.code === 'CAUSEWAY_NOT_FOUND') return { values: [] };
  throw error;
}
