/** GUN, peer to peer, with its files (radisk) on disk. */
import { createServer } from 'node:http';
import { library, missingLibraries, versionOfLibrary } from './installed.js';
import type { Peer } from './peer.js';
import { fromBase64, type Replica, type ReplicaOptions, toBase64 } from './replica.js';
import { startReplicas } from './replicas.js';

const ROOT = 'values';

interface Chain {
  get(key: string): Chain;
  put(value: string): Chain;
  map(): Chain;
  once(listener: (value: unknown) => void): Chain;
  on(listener: (value: unknown, key: string) => void): Chain;
}
interface Gun {
  readonly default: new (options: object) => Chain;
}

export const gun: Peer = {
  id: 'gun',
  throughput: { not: 'a library whose writes are acknowledged by files that it writes now and then' },
  lag: { placeCount: 2 },
  heal: { placeCount: 3 },
  remark:
    'It has no anti-entropy: what was written while a link was down is fetched by who asks for the key, and not before. ' +
    'Values are base64, a third longer.',
  missing: async () => missingLibraries('gun'),
  start: async ({ placeCount, delayMs }) =>
    startReplicas({
      file: 'gun',
      name: `GUN ${versionOfLibrary('gun')}`,
      durability: 'memory of one process',
      placeCount,
      delayMs,
      shape: 'star',
    }),
};

export async function openReplica({ listen, dial, directory }: ReplicaOptions): Promise<Replica> {
  const { default: Gun } = await library<Gun>('gun');
  const web = createServer();
  if (listen !== undefined) await new Promise<void>((resolve) => web.listen(listen, '127.0.0.1', resolve));
  const values = new Gun({
    ...(listen !== undefined && { web }),
    peers: dial.map((port) => `http://127.0.0.1:${port}/gun`),
    file: `${directory}/radata`,
    localStorage: false,
    multicast: false,
    axe: false,
  }).get(ROOT);
  return {
    put: (entries) => {
      for (const [key, value] of entries) values.get(key).put(toBase64(value));
    },
    get: (key) => new Promise((resolve) => values.get(key).once((text) => resolve(fromBase64(text)))),
    watch: (onKeys) => values.map().on((_value, key) => onKeys([key])),
  };
}
