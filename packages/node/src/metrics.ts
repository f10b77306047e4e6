/**
 * The figures of one node for Prometheus, under the names and labels of the public surface.
 *
 * Hot figures are added up in plain numbers and turned into samples when they are asked for; gauges are read
 * from the replica's status then. The label of a replica is its region, or its id while two replicas that are
 * known share the region; decided at each reading, so that both get the id when the second one appears.
 */
import { type ReplicaId, regionOf } from '@causeway/crdt';
import { isRetired, type KeyType, type RepairOutcome } from '@causeway/protocol';
import type { Replica, Telemetry } from '@causeway/replica';
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import type { OperationTelemetry } from './client-facing.js';
import { DELAY_EDGES, Histogram, OPERATION_EDGES } from './histogram.js';
import type { PeerBytes } from './peer-links.js';

type Status = ReturnType<Replica['status']>;
type Peer = Status['peers'][number];
type Tally = Record<KeyType, number>;

export interface MetricsOptions {
  readonly region: string;
  /** Asked only when figures are read. */
  readonly status: () => Status;
  readonly peerBytes: () => ReadonlyMap<ReplicaId, PeerBytes>;
}

export class Metrics implements Telemetry, OperationTelemetry {
  private readonly registry = new Registry();
  private readonly lags = new Map<ReplicaId, Histogram>();
  private readonly acks = new Map<ReplicaId, Histogram>();
  private readonly convergences = new Histogram(DELAY_EDGES);
  private readonly operations = new Map<string, Histogram>();
  private readonly duplicates = new Map<ReplicaId, number>();
  private readonly repairSessions = new Map<ReplicaId, Map<RepairOutcome, number>>();
  private repairedRecords = 0;
  private readonly repairedBytes = { sent: 0, received: 0 };
  private readonly conflictCounts: Tally = { register: 0, set: 0, counter: 0 };
  private readonly writes: Tally = { register: 0, set: 0, counter: 0 };
  private readonly reads: Tally = { register: 0, set: 0, counter: 0 };
  /** As of the reading that is under way. */
  private label = (id: ReplicaId): string => id;
  private status: Status | undefined;

  constructor(private readonly options: MetricsOptions) {
    const { registry } = this;
    registry.setDefaultLabels({ region: options.region });
    collectDefaultMetrics({ register: registry });
    this.histogram(
      'causeway_replication_lag_seconds',
      "From an origin's durable commit to the durable apply here, clock offset taken off",
      () => this.byReplica('origin', this.lags),
    );
    this.histogram(
      'causeway_replication_ack_seconds',
      "From a commit here to durable at the peer and known here, on this node's clock alone",
      () => this.byReplica('peer', this.acks),
    );
    this.histogram(
      'causeway_convergence_seconds',
      'From a commit here to acknowledged by every active member',
      () => [[{}, this.convergences]],
    );
    this.histogram('causeway_operation_seconds', 'From a request decoded to its answer', () =>
      [...this.operations].map(([operation, histogram]) => [{ operation }, histogram]),
    );
    this.byType('causeway_writes_total', "Operations of this node's clients that write", this.writes);
    this.byType('causeway_reads_total', "Operations of this node's clients that read", this.reads);
    this.byType(
      'causeway_conflicts_total',
      'Records that arrived here and met a write that their writer had not seen',
      this.conflictCounts,
    );
    this.peerGauge(
      'causeway_replication_unacknowledged_seconds',
      'Age of the oldest write that the peer has not acknowledged',
      (peer) => peer.unacknowledgedSeconds,
    );
    this.peerGauge(
      'causeway_replication_backlog_transactions',
      'Transactions that the peer has not acknowledged',
      (peer) => peer.backlogTransactions,
    );
    this.peerGauge(
      'causeway_clock_offset_seconds',
      "The peer's clock minus this node's",
      ({ clockOffsetMs }) => (clockOffsetMs === null ? undefined : clockOffsetMs / 1000),
    );
    this.gauge(
      'causeway_oldest_unstable_seconds',
      'Age of the oldest write not yet causally stable',
      (status) => status.oldestUnstableSeconds,
    );
    this.gauge('causeway_log_bytes', 'Replication log on disk', (status) => status.logBytes);
    this.gauge(
      'causeway_index_counting',
      'Whether the index of the records was lost and is being counted: no comparison with a peer goes on',
      ({ scrub }) => (scrub.state === 'counting' ? 1 : 0),
    );
    this.scrubCounters();
    this.gauge('causeway_ready', 'Whether the node serves clients', (status) => (status.ready ? 1 : 0));
    this.peerCounters();
    this.repairCounters();
  }

  lag(origin: ReplicaId, seconds: number): void {
    histogramOf(this.lags, origin, DELAY_EDGES).observe(seconds);
  }

  ack(peer: ReplicaId, seconds: number): void {
    histogramOf(this.acks, peer, DELAY_EDGES).observe(seconds);
  }

  convergence(seconds: number): void {
    this.convergences.observe(seconds);
  }

  operation(operation: string, seconds: number): void {
    histogramOf(this.operations, operation, OPERATION_EDGES).observe(seconds);
  }

  duplicateChunk(peer: ReplicaId): void {
    this.duplicates.set(peer, (this.duplicates.get(peer) ?? 0) + 1);
  }

  repairSession(peer: ReplicaId, outcome: RepairOutcome): void {
    const outcomes = this.repairSessions.get(peer) ?? new Map<RepairOutcome, number>();
    this.repairSessions.set(peer, outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1));
  }

  repairRecords(count: number): void {
    this.repairedRecords += count;
  }

  repairBytes(direction: 'sent' | 'received', bytes: number): void {
    this.repairedBytes[direction] += bytes;
  }

  conflict(type: KeyType): void {
    this.conflictCounts[type] += 1;
  }

  write(type: KeyType): void {
    this.writes[type] += 1;
  }

  read(type: KeyType): void {
    this.reads[type] += 1;
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    const status = this.options.status();
    this.status = status;
    // Who is retired has no figures any more: its region may go on under another identity.
    for (const member of status.members) if (isRetired(member)) this.forget(member.replica);
    const known = new Set([status.replica, ...status.peers.map(({ replica }) => replica)]);
    this.label = labels(
      new Set([
        ...known,
        ...this.lags.keys(),
        ...this.acks.keys(),
        ...this.duplicates.keys(),
        ...this.repairSessions.keys(),
      ]),
    );
    return this.registry.metrics();
  }

  private forget(replica: ReplicaId): void {
    for (const figures of [this.lags, this.acks, this.duplicates, this.repairSessions])
      figures.delete(replica);
  }

  private byReplica(label: string, histograms: ReadonlyMap<ReplicaId, Histogram>): Series[] {
    return [...histograms].map(([id, histogram]) => [{ [label]: this.label(id) }, histogram]);
  }

  private histogram(name: string, help: string, series: () => readonly Series[]): void {
    const get = () => {
      const values = series().flatMap(([labels, histogram]) => {
        const { buckets, sum, count } = histogram.samples();
        return [
          ...buckets.map(({ le, count: value }) => ({
            metricName: `${name}_bucket`,
            labels: { le, ...labels },
            value,
          })),
          { metricName: `${name}_sum`, labels, value: sum },
          { metricName: `${name}_count`, labels, value: count },
        ];
      });
      return Promise.resolve({ name, help, type: 'histogram', values });
    };
    // A registry asks a metric for its name and `get` only; prom-client's own histogram costs 1 µs and more for
    // each observation.
    this.registry.registerMetric({ name, get } as unknown as Metric<string>);
  }

  private byType(name: string, help: string, tally: Tally): void {
    this.counter(name, help, ['type'], (counter) => {
      for (const [type, count] of Object.entries(tally)) counter.inc({ type }, count);
    });
  }

  private peerCounters(): void {
    this.counter(
      'causeway_duplicate_chunks_total',
      'Chunks received that were here already',
      ['peer'],
      (counter) => {
        for (const [peer, count] of this.duplicates) counter.inc({ peer: this.label(peer) }, count);
      },
    );
    const labelNames = ['peer', 'direction'];
    this.counter('causeway_peer_bytes_total', 'Bytes on the links to peers', labelNames, (counter) => {
      for (const { replica } of this.status?.peers ?? []) {
        const { sent, received } = this.options.peerBytes().get(replica) ?? { sent: 0, received: 0 };
        counter.inc({ peer: this.label(replica), direction: 'sent' }, sent);
        counter.inc({ peer: this.label(replica), direction: 'received' }, received);
      }
    });
  }

  private scrubCounters(): void {
    const figures = {
      passes: 'Passes over all stored records',
      damaged: 'Stored records found damaged and not in memory: lost here until a peer has given them back',
      healed: 'Damaged records that were written anew from memory',
      corrected: 'Leaves of the index that were not those of the stored records',
    } as const;
    for (const [figure, help] of Object.entries(figures)) {
      this.counter(`causeway_scrub_${figure}_total`, help, [], (counter) => {
        counter.inc(this.status?.scrub[figure as keyof typeof figures] ?? 0);
      });
    }
  }

  private repairCounters(): void {
    this.counter(
      'causeway_repair_sessions_total',
      'Repairs that this node has asked a peer for, by how they ended',
      ['peer', 'outcome'],
      (counter) => {
        for (const [peer, outcomes] of this.repairSessions) {
          for (const [outcome, count] of outcomes) counter.inc({ peer: this.label(peer), outcome }, count);
        }
      },
    );
    this.counter(
      'causeway_repair_records_total',
      'Records that repairs brought and that told something new',
      [],
      (counter) => counter.inc(this.repairedRecords),
    );
    this.counter(
      'causeway_repair_bytes_total',
      'Bytes of the messages of repairs, in either role',
      ['direction'],
      (counter) => {
        counter.inc({ direction: 'sent' }, this.repairedBytes.sent);
        counter.inc({ direction: 'received' }, this.repairedBytes.received);
      },
    );
  }

  private counter(name: string, help: string, labelNames: string[], fill: (counter: Counter) => void): void {
    const collect = () => {
      counter.reset();
      fill(counter);
    };
    const counter: Counter = new Counter({ name, help, labelNames, registers: [this.registry], collect });
  }

  private peerGauge(name: string, help: string, value: (peer: Peer) => number | undefined): void {
    const collect = () => {
      gauge.reset();
      for (const peer of this.status?.peers ?? []) {
        const now = value(peer);
        if (now !== undefined) gauge.set({ peer: this.label(peer.replica) }, now);
      }
    };
    const gauge: Gauge = new Gauge({ name, help, labelNames: ['peer'], registers: [this.registry], collect });
  }

  private gauge(name: string, help: string, value: (status: Status) => number): void {
    const collect = () => {
      if (this.status !== undefined) gauge.set(value(this.status));
    };
    const gauge: Gauge = new Gauge({ name, help, registers: [this.registry], collect });
  }
}

type Series = readonly [labels: Readonly<Record<string, string>>, histogram: Histogram];

function histogramOf<Key>(map: Map<Key, Histogram>, key: Key, edges: readonly number[]): Histogram {
  let histogram = map.get(key);
  if (histogram === undefined) {
    histogram = new Histogram(edges);
    map.set(key, histogram);
  }
  return histogram;
}

/** Region names; ids where two of the replicas share a region. */
function labels(replicas: ReadonlySet<ReplicaId>): (id: ReplicaId) => string {
  const inRegion = new Map<string, number>();
  for (const id of replicas) inRegion.set(regionOf(id), (inRegion.get(regionOf(id)) ?? 0) + 1);
  return (id) => ((inRegion.get(regionOf(id)) ?? 0) > 1 ? id : regionOf(id));
}
