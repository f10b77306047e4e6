/**
 * What tests and benchmarks use of this package: regions as processes with wide-area links between them, and a few pieces
 * of its commands.
 */
export { type Cluster, type ClusterOptions, startCluster } from './cluster/cluster.js';
export type { Mesh, Pair } from './cluster/mesh.js';
export { type Exit, NODE_FLAGS, type NodeProcess } from './cluster/node-process.js';
export { areEqual, type NodeStatus, type PeerOfNode, readStatus } from './cluster/node-status.js';
export { type PollOptions, until } from './cluster/poll.js';
export { freePorts } from './cluster/ports.js';
export { zipf } from './load/popularity.js';
export { type ReplayOptions, type ReplayReport, replay } from './replay/replay.js';
export { type Output, processOutput } from './terminal/output.js';
export { formatTable } from './terminal/table.js';
