/** What tests and benchmarks use of this package: regions as processes with wide-area links between them. */
export { type Cluster, type ClusterOptions, startCluster } from './cluster/cluster.js';
export type { Mesh, Pair } from './cluster/mesh.js';
export { type Exit, NODE_FLAGS, type NodeProcess } from './cluster/node-process.js';
export { areEqual, type NodeStatus, type PeerOfNode, readStatus } from './cluster/node-status.js';
export { type PollOptions, until } from './cluster/poll.js';
export { freePorts } from './cluster/ports.js';
