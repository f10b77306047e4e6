/**
 * The routes of the HTTP API: what each takes, what it asks of the replica, and how its answer looks.
 */
import {
  CausewayError,
  CONFLICTS_MAX,
  checkCanonical,
  checkKey,
  KEYS_LIMIT_DEFAULT,
  KEYS_LIMIT_MAX,
  type KeyType,
  type Operation,
  type Result,
  SET_ELEMENTS_MAX,
} from '@causeway/protocol';
import findMyWay, { type HTTPMethod } from 'find-my-way';
import { SET_LIMIT_DEFAULT } from './client-limits.js';
import { cursorBytes, cursorOf, cursorText } from './http-cursor.js';
import { badRequest, quote } from './http-fields.js';
import {
  counterIncrement,
  registerSet,
  resultBody,
  setHas,
  setUpdate,
  transactionOperations,
} from './http-operations.js';
import { parseLimit } from './http-path.js';

/** A request as far as its route needs it. */
export interface RouteInput {
  /** '' where the path names none. */
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  /** Parsed JSON; undefined where the route takes none. */
  readonly body: unknown;
}

/** What a request asks of the node. */
export type Ask =
  | {
      readonly type: 'operations';
      readonly operations: readonly Operation[];
      /** Body of the answer. Throws CAUSEWAY_NOT_FOUND for what is absent. */
      readonly answer: (results: readonly Result[]) => object;
    }
  | {
      readonly type: 'keys';
      readonly keyType?: KeyType;
      readonly prefix: string;
      readonly limit: number;
      readonly after?: string;
    }
  | { readonly type: 'conflicts'; readonly limit: number; readonly after?: string };

export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  /** Names it in the operation metric. */
  readonly name: string;
  /** Known parameters of the query. */
  readonly query: readonly string[];
  readonly takesBody: boolean;
  /** Whether an Idempotency-Key has an effect: reads repeat by themselves. */
  readonly mutates: boolean;
  /** Throws CausewayError. */
  ask(input: RouteInput): Ask;
}

const ROUTES: readonly Route[] = [
  write('PUT', '/v1/registers/:key', 'register.set', registerSet),
  read('/v1/registers/:key', 'register.get', (key) => ({ op: 'register.get', key })),
  remove('/v1/registers/:key', 'register.delete', (key) => ({ op: 'register.delete', key })),
  write('POST', '/v1/sets/:key', 'set.update', setUpdate),
  {
    method: 'GET',
    path: '/v1/sets/:key',
    name: 'set.values',
    query: ['limit', 'after'],
    takesBody: false,
    mutates: false,
    ask: ({ key, query }) => askForValues(key, query),
  },
  { ...write('POST', '/v1/sets/:key/has', 'set.has', setHas), mutates: false },
  remove('/v1/sets/:key', 'set.clear', (key) => ({ op: 'set.clear', key })),
  write('POST', '/v1/counters/:key', 'counter.increment', counterIncrement),
  read('/v1/counters/:key', 'counter.get', (key) => ({ op: 'counter.get', key })),
  remove('/v1/counters/:key', 'counter.reset', (key) => ({ op: 'counter.reset', key })),
  {
    method: 'POST',
    path: '/v1/transactions',
    name: 'transaction',
    query: [],
    takesBody: true,
    mutates: true,
    ask: ({ body }) => ({
      type: 'operations',
      operations: transactionOperations(body),
      answer: (results) => ({ results: results.map(resultBody) }),
    }),
  },
  {
    method: 'GET',
    path: '/v1/keys',
    name: 'keys',
    query: ['type', 'prefix', 'limit', 'after'],
    takesBody: false,
    mutates: false,
    ask: ({ query }) => askForKeys(query),
  },
  {
    method: 'GET',
    path: '/v1/conflicts',
    name: 'conflicts',
    query: ['after', 'limit'],
    takesBody: false,
    mutates: false,
    ask: ({ query }) => ({
      type: 'conflicts',
      limit: parseLimit(query.get('limit'), CONFLICTS_MAX) ?? CONFLICTS_MAX,
      ...optional('after', query.get('after')),
    }),
  },
];

const METHODS = ['GET', 'PUT', 'POST', 'DELETE'] as const;

/**
 * Finds routes by raw paths. Each percent sign is escaped once more on the way in, so that what find-my-way
 * decodes is the path as it was sent.
 */
export class RouteTable {
  private readonly router = findMyWay({ maxParamLength: Number.MAX_SAFE_INTEGER, caseSensitive: true });

  constructor() {
    for (const route of ROUTES) this.router.on(route.method, route.path, unused, route);
  }

  /** `segment`: the key, still percent-encoded; undefined where the path names none. */
  find(method: string, path: string): { readonly route: Route; readonly segment?: string } | undefined {
    const found = this.router.find(method as HTTPMethod, path.replaceAll('%', '%25'));
    if (found === null) return undefined;
    return { route: found.store as Route, ...optional('segment', found.params['key']) };
  }

  /** Methods that the path takes; none if there is no such path. */
  allowed(path: string): string[] {
    return METHODS.filter((method) => this.find(method, path) !== undefined);
  }
}

function unused(): void {}

function read(path: string, name: string, operation: (key: string) => Operation): Route {
  return {
    method: 'GET',
    path,
    name,
    query: [],
    takesBody: false,
    mutates: false,
    ask: ({ key }) => ({ type: 'operations', operations: [operation(key)], answer: present }),
  };
}

function remove(path: string, name: string, operation: (key: string) => Operation): Route {
  return { ...read(path, name, operation), method: 'DELETE', mutates: true };
}

function write(
  method: 'PUT' | 'POST',
  path: string,
  name: string,
  operation: (key: string, body: unknown) => Operation,
): Route {
  return {
    method,
    path,
    name,
    query: [],
    takesBody: true,
    mutates: true,
    ask: ({ key, body }) => ({ type: 'operations', operations: [operation(key, body)], answer: present }),
  };
}

function present(results: readonly Result[]): object {
  const body = resultBody(results[0]!);
  if (body === null) throw new CausewayError('CAUSEWAY_NOT_FOUND', 'there is nothing under this key');
  return body;
}

/** A page begins after the element that the cursor holds; past the last one it is empty, not absent. */
function askForValues(key: string, query: ReadonlyMap<string, string>): Ask {
  const after = cursorBytes(query.get('after'));
  const limit = parseLimit(query.get('limit'), SET_ELEMENTS_MAX) ?? (after && SET_LIMIT_DEFAULT);
  if (after !== undefined) checkElement(after);
  return {
    type: 'operations',
    operations: [{ op: 'set.values', key, ...optional('limit', limit), ...optional('after', after) }],
    answer(results) {
      const page = results[0]!;
      if (page.op !== 'set.values' || page.values.length === 0) {
        return after === undefined ? present(results) : { values: [] };
      }
      return { ...resultBody(page), ...(page.more ? { after: cursorOf(page.values.at(-1)!) } : {}) };
    },
  };
}

function checkElement(bytes: Uint8Array): void {
  try {
    checkCanonical(bytes);
  } catch (cause) {
    throw new CausewayError('CAUSEWAY_BAD_REQUEST', 'after is no position of this set', { cause });
  }
}

function askForKeys(query: ReadonlyMap<string, string>): Ask {
  const type = query.get('type');
  const prefix = query.get('prefix') ?? '';
  if (type !== undefined && !isKeyType(type)) {
    throw badRequest(`no such type: ${quote(type)} (there are register, set, counter)`);
  }
  if (prefix !== '') checkKey(prefix);
  return {
    type: 'keys',
    prefix,
    limit: parseLimit(query.get('limit'), KEYS_LIMIT_MAX) ?? KEYS_LIMIT_DEFAULT,
    ...optional('keyType', type),
    ...optional('after', cursorText(query.get('after'))),
  };
}

function isKeyType(text: string): text is KeyType {
  return text === 'register' || text === 'set' || text === 'counter';
}

/** A property that is left out when there is nothing to it. */
function optional<K extends string, V>(name: K, value: V | undefined): { [N in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [N in K]?: V });
}
