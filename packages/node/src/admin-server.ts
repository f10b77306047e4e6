/**
 * The admin port: health, readiness, metrics and status of this node, for probes, Prometheus and people.
 *
 * Reading needs no token; the port is loopback's unless the operator says otherwise. What changes something is
 * 403 without the admin token, also when no token is configured. A browser's Origin must be an allowed one.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isAbsolute } from 'node:path';
import { CausewayError, SOFTWARE_VERSION } from '@causeway/protocol';
import type { Log, Replica } from '@causeway/replica';
import type { BackupManifest, BackupProgress } from './backup.js';
import type { ListenAddress } from './client-facing.js';
import { answerError, answerJson, closeListener, createListener, listen } from './listener.js';
import { describeMember, type Membership } from './membership.js';
import { statusPage } from './status-page.js';
import { originAllowed } from './websocket.js';

type Status = ReturnType<Replica['status']>;

const CONNECTIONS_MAX = 256;
/** How often a backup tells how far it has come. */
const PROGRESS_MS = 500;

/**
 * Named by the public surface, and not there before keys can be set apart: 501 for who has the token, since who asks for a
 * quarantine must not take it for done.
 */
const LATER = [{ method: 'POST', path: /^\/v1\/admin\/(quarantine|release)$/ }];

export interface AdminServerOptions {
  readonly status: () => Status;
  /** Makes a backup in a directory of the node's own disk; one at a time. */
  readonly backup: (
    directory: string,
    progress: (progress: BackupProgress) => void,
  ) => Promise<BackupProgress & BackupManifest>;
  /** Begins a pass over all stored records. */
  readonly scrub: () => void;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly membership: Pick<Membership, 'list' | 'remove' | 'drain' | 'resume' | 'leave'>;
  readonly adminToken: string | undefined;
  readonly allowOrigin: readonly string[];
  readonly log: Log;
}

export class AdminServer {
  private readonly server: Server;
  /** Why the node is not ready although the replica is: it is stopping. */
  private stopping: string | undefined;

  constructor(private readonly options: AdminServerOptions) {
    this.server = createListener({
      connectionsMax: CONNECTIONS_MAX,
      handle: (request, response) => {
        // Bodies mean nothing here yet.
        request.resume();
        this.answer(request, response).catch((error: unknown) => {
          if (!(error instanceof CausewayError)) options.log.error({ err: error }, 'the admin port failed');
          if (response.headersSent) response.destroy();
          else answerError(response, error instanceof CausewayError ? error : internalError(error));
        });
      },
    });
  }

  listen(address: ListenAddress): Promise<ListenAddress> {
    return listen(this.server, '--admin-listen', address);
  }

  /** From now on /readyz is 503, for this reason. */
  stop(reason: string): void {
    this.stopping = reason;
  }

  close(): Promise<void> {
    return closeListener(this.server);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const { method = 'GET' } = request;
    if (!originAllowed(request.headers.origin, this.options.allowOrigin)) {
      throw new CausewayError(
        'CAUSEWAY_ORIGIN_REFUSED',
        'this Origin is not among the allowed ones (--allow-origin)',
      );
    }
    if (method === 'POST' || method === 'DELETE') {
      this.checkToken(request);
      const action = this.action(method, path);
      if (action !== undefined) return answerJson(response, 200, await action());
      if (LATER.some((later) => later.method === method && later.path.test(path))) {
        throw new CausewayError('CAUSEWAY_NOT_IMPLEMENTED', `${method} ${path} is not in this version`);
      }
      if (method === 'POST' && path === '/v1/admin/backup') {
        return this.backup(new URLSearchParams(query).get('directory'), response);
      }
      if (method === 'POST' && path === '/v1/admin/scrub') {
        this.options.scrub();
        return answerJson(response, 202, {});
      }
    }
    const page = this.page(path);
    if (page === undefined) throw new CausewayError('CAUSEWAY_NOT_FOUND', `there is no ${path} on this port`);
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      throw new CausewayError('CAUSEWAY_METHOD_NOT_ALLOWED', `${path} takes GET only`);
    }
    await page(response);
  }

  /** What changes something: its answer is the body. */
  private action(method: string, path: string): (() => unknown) | undefined {
    const { membership } = this.options;
    const [, member] = /^\/v1\/members\/([^/]+)$/.exec(path) ?? [];
    if (member !== undefined && method === 'DELETE') {
      return async () => describeMember(await membership.remove(decodePath(member)));
    }
    switch (`${method} ${path}`) {
      case 'POST /v1/admin/drain':
        return () => membership.drain() ?? {};
      case 'POST /v1/admin/resume':
        return () => membership.resume() ?? {};
      case 'POST /v1/admin/leave':
        return async () => describeMember(await membership.leave());
      default:
        return undefined;
    }
  }

  /** Lines of JSON: how far it has come, now and then, and at last the summary or the error. */
  private async backup(directory: string | null, response: ServerResponse): Promise<void> {
    if (directory === null || !isAbsolute(directory)) {
      throw new CausewayError(
        'CAUSEWAY_BAD_REQUEST',
        'directory must be an absolute path on the disk of the node',
      );
    }
    const tell = (line: object): void => {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(line)}\n`);
    };
    let toldAt = performance.now();
    const progress = (now: BackupProgress): void => {
      if (performance.now() - toldAt < PROGRESS_MS) return;
      toldAt = performance.now();
      tell(now);
    };
    try {
      tell({ ...(await this.options.backup(directory, progress)), done: true });
    } catch (error) {
      const failure = error instanceof CausewayError ? error : internalError(error);
      if (failure.status >= 500) this.options.log.error({ err: error, directory }, 'the backup failed');
      if (!response.headersSent) throw failure;
      tell({ error: { code: failure.code, message: failure.message } });
    }
    response.end();
  }

  private page(path: string): ((response: ServerResponse) => void | Promise<void>) | undefined {
    switch (path) {
      case '/healthz':
        return (response) => answerJson(response, 200, {});
      case '/readyz':
        return (response) => this.readiness(response);
      case '/metrics':
        return (response) => this.figures(response);
      case '/v1/status':
        return (response) => answerJson(response, 200, describeStatus(this.current()));
      case '/v1/members':
        return (response) => {
          const members = this.options.membership.list().map(describeMember);
          answerJson(response, 200, { members });
        };
      case '/':
        return (response) => answerText(response, 'text/html; charset=utf-8', statusPage(this.current()));
      default:
        return undefined;
    }
  }

  private current(): Status {
    const status = this.options.status();
    if (this.stopping === undefined) return status;
    return { ...status, ready: false, reasons: [...status.reasons, this.stopping] };
  }

  private readiness(response: ServerResponse): void {
    const { ready, reasons } = this.current();
    answerJson(response, ready ? 200 : 503, { ready, reasons });
  }

  private async figures(response: ServerResponse): Promise<void> {
    const { metrics } = this.options;
    answerText(response, metrics.contentType, await metrics.text());
  }

  private checkToken(request: IncomingMessage): void {
    const { adminToken } = this.options;
    const [, given] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (adminToken === undefined) {
      throw new CausewayError('CAUSEWAY_FORBIDDEN', 'this node has no admin token (--admin-token-file)');
    }
    if (given === undefined || !timingSafeEqual(sha256(given), sha256(adminToken))) {
      throw new CausewayError('CAUSEWAY_FORBIDDEN', 'this needs the admin token: Authorization: Bearer …');
    }
  }
}

/** As /v1/status tells it. */
export function describeStatus(status: Status): Record<string, unknown> {
  const { replica, region, ready, reasons, writable, versionVector, digest, settled, conflicts } = status;
  return {
    replica,
    region,
    version: SOFTWARE_VERSION,
    ready,
    reasons,
    writable,
    versionVector: Object.fromEntries(versionVector),
    digest: { root: digest },
    settled,
    scrub: status.scrub,
    conflicts,
    peers: status.peers.map((peer) => ({
      replica: peer.replica,
      region: peer.region,
      address: peer.address,
      state: peer.state,
      lagMs: peer.lagMs,
      backlogTransactions: peer.backlogTransactions,
      clockOffsetMs: peer.clockOffsetMs,
      unacknowledgedSeconds: peer.unacknowledgedSeconds,
    })),
    oldestUnstableSeconds: status.oldestUnstableSeconds,
    logBytes: status.logBytes,
  };
}

function answerText(response: ServerResponse, type: string, text: string): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** What is no percent-encoding names nobody. */
function decodePath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function internalError(cause: unknown): CausewayError {
  return new CausewayError('CAUSEWAY_INTERNAL', 'this failed; the log says more', { cause });
}

/** Equal lengths, so that the comparison tells nothing of the token's. */
function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
