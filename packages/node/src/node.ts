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
import {
  Driver,
  type Environment,
  type Event,
  type Log,
  Replica,
  type ReplicaConfig,
  START_RANGES,
} from '@causeway/replica';
import { AdminServer } from './admin-server.js';
import type { ReplicaView } from './client-facing.js';
import { createClientServer } from './client-server.js';
import { checkConfig, type NodeConfig } from './config.js';
import { readAdminToken } from './config-sources.js';
import { createHost, currentTime } from './host.js';
import { LevelStorage } from './level-storage.js';
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

export interface CausewayNode {
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
  let driver: Driver | undefined;
  const step = (event: Event): void => driver?.step(event);
  const status = () => replica.status(currentTime());
  const log = new ReplaceableLog(logger);
  const metrics: Metrics = new Metrics({ region, status, peerBytes: () => links.bytes() });
  const env: Environment = { random, telemetry: metrics, log };
  const replicaConfig = (peerAddress: string): ReplicaConfig => ({
    region,
    advertise: config.advertise ?? `ws://${peerAddress}`,
    seeds: config.peers,
    limits: { maxOfflineMs: config.maxOffline, maxClockSkewMs: config.maxClockSkew },
  });

  const storage = await LevelStorage.open({
    directory: config.data,
    startRanges: START_RANGES,
    initialBatch: () =>
      Replica.initialBatch(replicaConfig(formatAddress(config.peerListen)), env, currentTime()),
    log,
  });
  cleanups.push(() => storage.close());
  const records = await storage.records();

  const hub = new SessionHub(step);
  const links: PeerLinks = new PeerLinks({ step, allowOrigin, log });
  cleanups.push(() => links.stop('the node did not start'));
  const peer = formatAddress(await links.listen(config.peerListen));
  // Nothing may be awaited from here until the driver is there: the first peer may be at the door.
  const replica = Replica.open(records, replicaConfig(peer), env, currentTime());
  log.replace(logger.child({ replica: replica.id }));
  const host = createHost(storage, links, hub);
  driver = new Driver(replica, host);
  const running = driver;
  cleanups.push(async () => {
    running.stop();
    host.stop();
  });

  const view: ReplicaView = {
    id: replica.id,
    status,
    conflicts: (after, limit) => replica.conflicts(after, limit),
  };
  const clients = createClientServer({ hub, step, replica: view, config, log, telemetry: metrics });
  cleanups.push(() => clients.close());
  const client = formatAddress(await clients.listen());
  const membership = new Membership({ status, step, log });
  const adminServer = new AdminServer({
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
    const drained = await until(() => replica.drained(), PEERS_TIMEOUT_MS);
    if (!drained)
      log.warn({}, 'stopping although peers have not acknowledged everything: they fetch it later');
    await local.close();
    await clients.close();
    await links.stop('the node is stopping');
    running.stop();
    host.stop();
    await storage.close();
    await adminServer.close();
    log.info({ ms: Math.round(performance.now() - startedAt), drained }, 'stopped');
    logger.flush();
  };
  let stopped: Promise<void> | undefined;
  return {
    replica: replica.id,
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
