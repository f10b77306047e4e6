import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type * as Client from './browser.js';
import { FakeNode } from './testing/fake-node.js';

const APP = '\0app.js';

let code: string;
let modules: string[];

/** The package as an application bundles it for browsers: by its name, through its exports. */
beforeAll(async () => {
  const bundle = await rolldown({
    input: 'app',
    cwd: dirname(fileURLToPath(import.meta.url)),
    platform: 'browser',
    resolve: { conditionNames: ['source', 'browser', 'module', 'import', 'default'] },
    plugins: [
      {
        name: 'app',
        resolveId: (id) => (id === 'app' ? APP : undefined),
        load: (id) => (id === APP ? `export * from '@causeway/client'` : undefined),
      },
    ],
  });
  const { output } = await bundle.generate({ format: 'iife', name: 'causeway' });
  await bundle.close();
  code = output[0].code;
  modules = Object.keys(output[0].modules);
});

test('a bundle for browsers has nothing of Node in it', () => {
  expect(modules.some((id) => id.endsWith('/client/src/websocket.ts'))).toBe(true);
  expect(
    modules.filter((id) => /node_modules\/ws\/|websocket-node|^node:|__vite-browser-external/.test(id)),
  ).toEqual([]);
  expect(code).not.toMatch(/\brequire\(|\bimport\(/);
});

/** As in browsers, an error that nobody listens for is no exception. */
class PlatformWebSocket extends WebSocket {
  constructor(url: string, subprotocol: string) {
    super(url, subprotocol);
    this.on('error', () => {});
  }
}

/** Runs the bundle where there is nothing but what browsers have. */
function load(): typeof Client {
  const browser = vm.createContext({
    WebSocket: PlatformWebSocket,
    TextEncoder,
    TextDecoder,
    URL,
    performance,
    queueMicrotask,
    setTimeout,
    clearTimeout,
  });
  return vm.runInContext(`${code}\n;causeway`, browser) as typeof Client;
}

let node: FakeNode;

beforeAll(async () => {
  node = await FakeNode.listen();
});

afterAll(async () => {
  await node.close();
});

test('the bundle works with the WebSocket of the platform', async () => {
  const { connect } = load();
  const db = await connect({ endpoints: [node.url] });
  const watch = db.watch({ prefix: 'cart:' });
  await db.register('user:42').set({ name: 'Ada' });
  expect(await db.register('user:42').get()).toEqual({ name: 'Ada' });
  await db.set('cart:42').add('milk', 'tea');
  expect((await watch.next()).value).toMatchObject({ key: 'cart:42', added: ['milk', 'tea'] });
  const before = node.frames.length;
  expect(await Promise.all([1, 2, 3].map((by) => db.counter('c').increment(by)))).toEqual([1, 3, 6]);
  expect(node.frames.length - before).toBe(1);
  node.say('text');
  await expect(watch.next()).rejects.toMatchObject({ code: 'CAUSEWAY_WATCH_INTERRUPTED' });
  expect(await db.counter('c').value()).toBe(6);
  await db.close();
});

test('an endpoint that the platform refuses to dial is unreachable', async () => {
  const { connect, CausewayError } = load();
  const gone = await FakeNode.listen();
  await gone.close();
  const connecting = connect({ endpoints: [gone.url], connectTimeoutMs: 100 });
  await expect(connecting).rejects.toBeInstanceOf(CausewayError);
  await expect(connecting).rejects.toMatchObject({ code: 'CAUSEWAY_UNREACHABLE' });
});
