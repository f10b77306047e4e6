/**
 * The seam between node.ts and the client-facing half of the node: what node.ts hands to the client server
 * and to the in-process database, and what it calls on them.
 *
 * node.ts calls
 *   createClientServer(options: ClientServerOptions): ClientServer          in client-server.ts
 *   createLocalDatabase(options: LocalDatabaseOptions): LocalDatabaseHandle<Database>     in local-database.ts
 */

import type { ReplicaId } from '@causeway/crdt';
import type { ConflictRecord, Event, Log, Replica } from '@causeway/replica';
import type { SessionHub } from './session-hub.js';

export interface ListenAddress {
  readonly host: string;
  /** 0: the system picks one. */
  readonly port: number;
}

/** What listeners may ask of the replica directly; everything else goes through events. */
export interface ReplicaView {
  readonly id: ReplicaId;
  status(): ReturnType<Replica['status']>;
  /** Throws CausewayError CAUSEWAY_BAD_REQUEST on a cursor that this node never gave out. */
  conflicts(
    after: string | undefined,
    limit: number,
  ): { readonly conflicts: readonly ConflictRecord[]; readonly after: string };
}

/** Figures of the client-facing half. */
export interface OperationTelemetry {
  /**
   * One request answered: `operation` is its name ('register.get' …, 'transaction', 'keys'), `seconds` from
   * decoded to answered. Cheap enough to be called for every request.
   */
  operation(operation: string, seconds: number): void;
}

export interface ClientServerConfig {
  readonly region: string;
  readonly clientListen: ListenAddress;
  /** Values of `Origin` that browsers may come from; every other Origin is refused. */
  readonly allowOrigin: readonly string[];
}

export interface ClientServerOptions {
  readonly hub: SessionHub;
  readonly step: (event: Event) => void;
  readonly replica: ReplicaView;
  readonly config: ClientServerConfig;
  readonly log: Log;
  readonly telemetry: OperationTelemetry;
}

export interface ClientServer {
  /** Resolves with the bound address when connections are accepted; rejects when the address is taken. */
  listen(): Promise<ListenAddress>;
  /**
   * First step of a stop: new connections are refused and idle ones closed; requests that have arrived are
   * finished, what arrives on open connections after that is answered CAUSEWAY_DRAINING.
   */
  stopAccepting(): void;
  /** Requests that have arrived and are not answered yet (an open watch is none). */
  readonly inFlight: number;
  /** Ends every connection and its session; resolves when the port is free. */
  close(): Promise<void>;
}

export interface LocalDatabaseOptions {
  readonly hub: SessionHub;
  readonly step: (event: Event) => void;
}

/** `node.db`: the interface of the client library, in process. */
export interface LocalDatabaseHandle<Database> {
  readonly db: Database;
  /** Ends the session; what waits is rejected with CAUSEWAY_CLOSED. */
  close(): Promise<void>;
}
