/**
 * A node: one data directory, one replica, three ports.
 *
 * Start: the store, the peer port (its address goes into the replica), the replica, then the client and admin
 * ports. Stop, within 10 s: not ready; requests in flight are finished; connected peers get a while to
 * acknowledge everything; connections end; the store is closed last.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '@causeway/client';
import type { ReplicaId } from '@causeway/crdt';
import { CausewayError } from '@causeway/protocol';
import {
  Driver,
  type Environment,
  type Event,
  type Log,
  type Rejoin,
  Replica,
  type ReplicaConfig,
  START_RANGES,
} from '@causeway/replica';
import { AdminServer, type AdminServerOptions } from './admin-server.js';
import { makeBackup } from './backup.js';
import type { ReplicaView } from './client-facing.js';
import { createClientServer } from './client-server.js';
import { checkConfig, type NodeConfig } from './config.js';
import { readAdminToken } from './config-sources.js';
import { createHost, currentTime, type NodeHost } from './host.js';
import { LevelStorage, type StorageOptions } from './level-storage.js';
import { formatAddress } from './listener.js';
import { createLocalDatabase } from './local-database.js';
import { createLogger, type Logger } from './logger.js';
import { Membership } from './membership.js';
import { Metrics } from './metrics.js';
import { PeerLinks } from './peer-links.js';
import { SessionHub } from './session-hub.js';
import type { NodeOptions } from './settings.js';

/** Of the 10 s of a stop. Milliseconds. */
const REQUESTS_TIMEOUT_MS = 1_500;
const PEERS_TIMEOUT_MS = 5_000;
/** How often a stop looks whether it may go on. Milliseconds. */
const LOOK_MS = 5;

const LEAVES = 'its identity is left behind as soon as a peer answers; until then the node serves reads only';
const STAYS = 'it has never had a peer, so the identity stays';

/** What there is one of at a time, and another after an identity was left behind. */
interface Running {
  readonly replica: Replica;
  readonly host: NodeHost;
  readonly driver: Driver;
}

export interface CausewayNode {
  /** Another one after the identity was left behind. */
  readonly replica: ReplicaId;
  readonly region: string;
  /** The data of this node, in process: the interface of the client library. */
  readonly db: Database;
  /** host:port as bound. */
  readonly addresses: { readonly client: string; readonly peer: string; readonly admin: string };
  status(): ReturnType<Replica['status']>;
  /**
   * Hands everything over to the peers that are connected and leaves the cluster for good; `close` it after that.
   *
   * @throws CausewayError CAUSEWAY_NOT_HANDED_OVER: the node stays
   */
  leave(): Promise<void>;
  /** Resolves when the node has left, whoever asked for it. */
  readonly left: Promise<void>;
  /** Stops in good order. Resolves within 10 s; the same promise for every call. */
  close(): Promise<void>;
}

/**
 * Starts a node in this process; resolves when its three ports are open. It may still be joining then:
 * `status().ready`.
 *
 * @throws CausewayError CAUSEWAY_BAD_CONFIG, CAUSEWAY_DATA_IN_USE, CAUSEWAY_DATA_UNREADABLE
 */
export async function createNode(options: NodeOptions): Promise<CausewayNode> {
  const config = checkConfig(options);
  return startNode(config, createLogger({ region: config.region, level: config.logLevel }));
}

export async function startNode(config: NodeConfig, logger: Logger): Promise<CausewayNode> {
  const adminToken = readAdminToken(config);
  const cleanups: (() => Promise<void>)[] = [];
  try {
    return await wire(config, adminToken, logger, cleanups);
  } catch (error) {
    for (const cleanup of cleanups.reverse()) await cleanup();
    throw error;
  }
}

async function wire(
  config: NodeConfig,
  adminToken: string | undefined,
  logger: Logger,
  cleanups: (() => Promise<void>)[],
): Promise<CausewayNode> {
  const { region, allowOrigin } = config;
  let running: Running | undefined;
  let stopped: Promise<void> | undefined;
  const step = (event: Event): void => running?.driver.step(event);
  const status = () => current().replica.status(currentTime());
  const current = (): Running => {
    if (running === undefined) throw new Error('invariant broken: nobody asks before there is a replica');
    return running;
  };
  const log = new ReplaceableLog(logger);
  const metrics: Metrics = new Metrics({ region, status, peerBytes: () => links.bytes() });
  const env: Environment = {
    random,
    readNow: (key) => storage.readNow(key),
    telemetry: metrics,
    log,
  };
  const replicaConfig = (peerAddress: string): ReplicaConfig => ({
    region,
    advertise: config.advertise ?? `ws://${peerAddress}`,
    seeds: config.peers,
    limits: {
      maxOfflineMs: config.maxOffline,
      maxClockSkewMs: config.maxClockSkew,
      logBytesMax: config.logMaxSize,
      logAgeMaxMs: config.logMaxAge,
      cacheBytesMax: config.cacheSize,
    },
  });

  const batchOf = (make: typeof Replica.initialBatch) => () =>
    make(replicaConfig(formatAddress(config.peerListen)), env, currentTime());
  const options: StorageOptions = {
    directory: config.data,
    startRanges: START_RANGES,
    initialBatch: batchOf(Replica.initialBatch),
    // Without a seed an empty store would be all there is.
    batchAfterLoss: config.peers.length === 0 ? undefined : batchOf(Replica.initialBatchAfterLoss),
    durability: config.durability,
    log,
  };
  let storage = await LevelStorage.open(options);
  cleanups.push(() => storage.close());

  const hub = new SessionHub(step);
  const links: PeerLinks = new PeerLinks({
    step,
    allowOrigin,
    log,
    onRepair: (direction, bytes) => metrics.repairBytes(direction, bytes),
  });
  cleanups.push(() => links.stop('the node did not start'));
  // Whoever comes before there is a replica is sent away.
  await links.pause();
  const peer = formatAddress(await links.listen(config.peerListen));
  const open = async (): Promise<void> => {
    const records = await storage.records();
    const replica = Replica.open(records, replicaConfig(peer), env, currentTime());
    log.replace(logger.child({ replica: replica.id }));
    const host = createHost(storage, links, hub, (rejoin) => void beginAnew(rejoin).catch(fail));
    running = { replica, host, driver: new Driver(replica, host) };
    links.resume();
    if (records.leave === undefined) return;
    log.warn({ left: replica.id }, `${records.leave}: ${replica.isToRejoin ? LEAVES : STAYS}`);
    if (!replica.isToRejoin) await storage.keepIdentity();
  };
  /** The identity is left behind: another replica, on another store, takes the place of this one. */
  const beginAnew = async (rejoin: Rejoin): Promise<void> => {
    const { replica, host } = current();
    host.stop();
    anew = (async () => {
      await links.pause();
      await storage.beginAnew(rejoin, replica.id);
      await open();
      log.info({ left: replica.id, code: rejoin.code }, 'the node has begun anew');
      step({ type: 'tick' });
    })();
    await anew;
  };
  let anew: Promise<void> = Promise.resolve();
  const fail = (error: unknown): void => {
    if (stopped !== undefined) return;
    // Half of it is on disk, and the next start does the rest.
    log.error({ err: error }, 'the node could not begin anew; it ends, start it again');
    logger.flush();
    process.exit(1);
  };
  await open().catch(async (error: unknown) => {
    await storage.close();
    await LevelStorage.replaceDamaged(options, error);
    storage = await LevelStorage.open(options);
    await open();
  });
  cleanups.push(async () => {
    running?.driver.stop();
    running?.host.stop();
  });

  let backingUp = false;
  const backup: AdminServerOptions['backup'] = async (directory, progress) => {
    if (backingUp)
      throw new CausewayError('CAUSEWAY_OVERLOADED', 'a backup is being made: try again when it is done');
    backingUp = true;
    try {
      const manifest = { replica: current().replica.id, region, at: new Date().toISOString() };
      const copied = await makeBackup(storage, directory, manifest, progress);
      log.info({ directory, ...copied }, 'a backup was made');
      return { ...manifest, ...copied };
    } finally {
      backingUp = false;
    }
  };

  const view: ReplicaView = {
    get id() {
      return current().replica.id;
    },
    status,
    conflicts: (after, limit) => current().replica.conflicts(after, limit),
  };
  const clients = createClientServer({ hub, step, replica: view, config, log, telemetry: metrics });
  cleanups.push(() => clients.close());
  const client = formatAddress(await clients.listen());
  const membership = new Membership({ status, step, log });
  const adminServer = new AdminServer({
    backup,
    status,
    scrub: () => step({ type: 'scrub' }),
    metrics,
    membership,
    adminToken,
    allowOrigin,
    log,
  });
  cleanups.push(() => adminServer.close());
  const admin = formatAddress(await adminServer.listen(config.adminListen));
  const local = createLocalDatabase({ hub, step });
  step({ type: 'tick' });
  const addresses = { client, peer, admin };
  if (config.advertise === undefined && /^(0\.0\.0\.0|::)$/.test(config.peerListen.host)) {
    log.warn({ advertise: `ws://${peer}` }, 'no node can dial this address: give one with --advertise');
  }
  log.info({ ...addresses, data: config.data, peers: config.peers }, 'listening');

  const stop = async (): Promise<void> => {
    const startedAt = performance.now();
    adminServer.stop('stopping');
    clients.stopAccepting();
    await until(() => clients.inFlight === 0, REQUESTS_TIMEOUT_MS);
    step({ type: 'drain' });
    await Promise.race([anew.catch(() => undefined), sleep(REQUESTS_TIMEOUT_MS)]);
    const drained = await until(() => current().replica.drained(), PEERS_TIMEOUT_MS);
    if (!drained)
      log.warn({}, 'stopping although peers have not acknowledged everything: they fetch it later');
    await local.close();
    await clients.close();
    await links.stop('the node is stopping');
    current().driver.stop();
    current().host.stop();
    if (!current().replica.isToRejoin) await storage.keepIdentity();
    await storage.close();
    await adminServer.close();
    log.info({ ms: Math.round(performance.now() - startedAt), drained }, 'stopped');
    logger.flush();
  };
  return {
    get replica() {
      return current().replica.id;
    },
    region,
    db: local.db,
    addresses,
    status,
    left: membership.left,
    leave: async () => {
      await membership.leave();
    },
    close: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** The log of the parts, which are made before the replica's name is known. */
class ReplaceableLog implements Log {
  constructor(private log: Log) {}

  replace(log: Log): void {
    this.log = log;
  }

  debug(fields: object, message: string): void {
    this.log.debug(fields, message);
  }

  info(fields: object, message: string): void {
    this.log.info(fields, message);
  }

  warn(fields: object, message: string): void {
    this.log.warn(fields, message);
  }

  error(fields: object, message: string): void {
    this.log.error(fields, message);
  }
}

/** 53 bits of the system's randomness: identities are made of it, and clones of a machine must not share them. */
function random(): number {
  const bytes = randomBytes(8);
  return ((bytes.readUInt32LE(0) >>> 5) * 2 ** 26 + (bytes.readUInt32LE(4) >>> 6)) / 2 ** 53;
}

/** Whether `condition` became true in time. */
async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() >= deadline) return false;
    await sleep(LOOK_MS);
  }
  return true;
}
