/** All peers, in the order of the tables. */
import { automerge } from './automerge.js';
import { etcd } from './etcd.js';
import { gun } from './gun.js';
import { nats } from './nats.js';
import type { Peer } from './peer.js';
import { pouchdb } from './pouchdb.js';
import { redisAlways, redisEverysec } from './redis.js';
import { tinybase } from './tinybase.js';
import { yjs } from './yjs.js';

export const PEERS: readonly Peer[] = [
  redisAlways,
  redisEverysec,
  etcd,
  nats,
  pouchdb,
  yjs,
  tinybase,
  automerge,
  gun,
];
