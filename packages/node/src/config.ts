/**
 * What a node is told at its start, by the command or by `createNode`, checked by one schema.
 *
 * A wrong setting is CAUSEWAY_BAD_CONFIG; the message names the flag, the variable and what is allowed. What is
 * known but not there yet is refused, never ignored.
 */
import { getHeapStatistics } from 'node:v8';
import { DEFAULT_LIMITS } from '@causeway/replica';
import { z } from 'zod';
import type { ListenAddress } from './client-facing.js';
import { formatAddress } from './listener.js';
import { formatDuration, formatSize, parseDuration, parseSize } from './quantity.js';
import { badConfig, camelCase, LATER, type LogLevel, NAMES, nameSetting, notYet, quote } from './settings.js';

export interface NodeConfig {
  readonly region: string;
  readonly data: string;
  readonly clientListen: ListenAddress;
  readonly peerListen: ListenAddress;
  readonly adminListen: ListenAddress;
  readonly peers: readonly string[];
  /** Absent: made of the address that the peer port is bound to. */
  readonly advertise?: string;
  readonly durability: 'sync' | 'async';
  readonly logLevel: LogLevel;
  readonly insecure: boolean;
  readonly adminTokenFile?: string;
  readonly allowOrigin: readonly string[];
  /** Milliseconds. */
  readonly maxOffline: number;
  readonly maxClockSkew: number;
  readonly logMaxAge: number;
  /** Bytes. */
  readonly logMaxSize: number;
  readonly cacheSize: number;
}

const REGION = /^[a-z0-9-]{1,32}$/;
const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[^\s/:?#@[\]]*):(\d{1,5})$/;
const PEER_URL = /^(wss?):\/\/(\[[0-9a-fA-F:.]+\]|[^\s/:?#@[\]]+):(\d{1,5})\/?$/i;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

const listenAddress = z.string().transform((text, context): ListenAddress => {
  const match = HOST_PORT.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    context.addIssue({
      code: 'custom',
      message: `must be host:port with a port from 0 to 65535, is ${quote(text)}`,
    });
    return z.NEVER;
  }
  return { host: match[1]?.replace(/^\[|\]$/g, '') || '127.0.0.1', port };
});

const peerUrl = z.string().transform((text, context): string => {
  const match = PEER_URL.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    context.addIssue({
      code: 'custom',
      message: `must be ws://host:port or wss://host:port, is ${quote(text)}`,
    });
    return z.NEVER;
  }
  return `${match[1]?.toLowerCase()}://${match[2]?.toLowerCase()}:${port}`;
});

const origin = z.string().transform((text, context): string => {
  if (!URL.canParse(text) || new URL(text).origin !== text) {
    context.addIssue({
      code: 'custom',
      message: `must be origins such as https://app.example, is ${quote(text)}`,
    });
    return z.NEVER;
  }
  return text;
});

const list = (item: typeof peerUrl) =>
  z
    .union(
      [
        z.string().transform((text) => text.split(',').filter((part) => part.trim() !== '')),
        z.array(z.string()),
      ],
      {
        error: 'must be a comma-separated list',
      },
    )
    .transform((items) => items.map((text) => text.trim()))
    .pipe(z.array(item));

const duration = (least: number, most: number) =>
  z
    .union([z.string(), z.number()], { error: 'must be a duration such as 500ms, 30s, 12h or 7d' })
    .transform((given, context): number => {
      const ms = parseDuration(String(given));
      if (ms !== undefined && ms >= least && ms <= most) return ms;
      const range = `from ${formatDuration(least)} to ${formatDuration(most)}`;
      context.addIssue({
        code: 'custom',
        message: `must be a duration ${range}, such as 500ms, 30s, 12h or 7d; is ${quote(String(given))}`,
      });
      return z.NEVER;
    });

const size = (least: number, most: number) =>
  z
    .union([z.string(), z.number()], { error: 'must be a size such as 64MiB or 4GiB' })
    .transform((given, context) => {
      const bytes = parseSize(String(given));
      if (bytes !== undefined && bytes >= least && bytes <= most) return bytes;
      const range = `from ${formatSize(least)} to ${formatSize(most)}`;
      context.addIssue({
        code: 'custom',
        message: `must be a size ${range}, such as 64MiB or 4GiB; is ${quote(String(given))}`,
      });
      return z.NEVER;
    });

/** Beyond it a table of small records could come to what V8 allows in one. */
const CACHE_SIZE_MOST = 2 ** 31;

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const schema = z.strictObject({
  region: z
    .string('is required: a name of a-z, 0-9 and -, at most 32 characters')
    .regex(REGION, 'must be 1 to 32 characters of a-z, 0-9 and -'),
  data: z.string('must be a path').min(1, 'must be a path').optional(),
  clientListen: listenAddress.default({ host: '127.0.0.1', port: 7400 }),
  peerListen: listenAddress.default({ host: '127.0.0.1', port: 7500 }),
  adminListen: listenAddress.default({ host: '127.0.0.1', port: 7600 }),
  peers: list(peerUrl).default([]),
  advertise: peerUrl.optional(),
  durability: z.enum(['sync', 'async'], 'must be sync or async').default('sync'),
  logLevel: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
  insecure: z.boolean('must be true or false').default(false),
  adminTokenFile: z.string('must be a path').min(1, 'must be a path').optional(),
  allowOrigin: list(origin).default([]),
  maxOffline: duration(1_000, 10 * 365 * 24 * 3_600_000).default(DEFAULT_LIMITS.maxOfflineMs),
  maxClockSkew: duration(1, 24 * 3_600_000).default(DEFAULT_LIMITS.maxClockSkewMs),
  logMaxAge: duration(60_000, 10 * 365 * 24 * 3_600_000).default(DEFAULT_LIMITS.logAgeMaxMs),
  logMaxSize: size(64 << 10, 2 ** 50).default(DEFAULT_LIMITS.logBytesMax),
  cacheSize: size(1 << 20, CACHE_SIZE_MOST).default(DEFAULT_LIMITS.cacheBytesMax),
});

/** Throws CAUSEWAY_BAD_CONFIG naming everything that is wrong. */
export function checkConfig(options: unknown): NodeConfig {
  const { data: checked, error } = schema.safeParse(options);
  if (error !== undefined) throw badConfig(error.issues.map(describeIssue));
  const { data, advertise, adminTokenFile, ...rest } = checked;
  const beyond = (['clientListen', 'peerListen', 'adminListen'] as const).filter(
    (name) => !LOOPBACK.test(rest[name].host),
  );
  if (beyond.length > 0 && !rest.insecure) {
    throw badConfig(
      beyond.map(
        (name) =>
          `${nameSetting(name)}: ${formatAddress(rest[name])} is beyond loopback, which needs TLS and a token; ` +
          'this version has neither yet, so it takes --insecure (CAUSEWAY_INSECURE=true)',
      ),
    );
  }
  const heap = getHeapStatistics().heap_size_limit;
  if (rest.cacheSize > heap / 2) {
    throw badConfig([
      `${nameSetting('cacheSize')}: ${formatSize(rest.cacheSize)} are more than half of what V8 may take in this ` +
        `process, ${Math.floor(heap / 2 ** 20)} MiB: take less, or give node --max-old-space-size`,
    ]);
  }
  return {
    ...rest,
    data: data ?? `./data/${rest.region}`,
    ...(advertise === undefined ? {} : { advertise }),
    ...(adminTokenFile === undefined ? {} : { adminTokenFile }),
  };
}

/** In force, as a JSON object that --config takes. Secrets stand in files of their own and are not read. */
export function describeConfig(config: NodeConfig): Record<string, unknown> {
  return {
    ...config,
    clientListen: formatAddress(config.clientListen),
    peerListen: formatAddress(config.peerListen),
    adminListen: formatAddress(config.adminListen),
    maxOffline: formatDuration(config.maxOffline),
    maxClockSkew: formatDuration(config.maxClockSkew),
    logMaxAge: formatDuration(config.logMaxAge),
    logMaxSize: formatSize(config.logMaxSize),
    cacheSize: formatSize(config.cacheSize),
  };
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    const later = issue.keys.filter((key) => LATER.some((flag) => camelCase(flag) === key));
    if (later.length > 0) return notYet(later.join(', '));
    return `${issue.keys.map(quote).join(', ')}: no such setting; there are ${NAMES.join(', ')}`;
  }
  const name = issue.path[0];
  const known = NAMES.find((candidate) => candidate === name);
  return `${known === undefined ? 'configuration' : nameSetting(known)}: ${issue.message}`;
}
