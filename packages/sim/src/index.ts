/** Whole clusters of the real engine in one process, under virtual time, with every fault drawn from one seed. */
export type { Checker } from './checkers/checker.js';
export type { Client } from './client.js';
export type { Cluster, ClusterNode } from './cluster.js';
export { type Engine, REAL_ENGINE } from './engine.js';
export {
  FAULT_KINDS,
  type FaultKind,
  type FaultProfile,
  type PlannedFault,
  textOfFault,
} from './fault-plan.js';
export type { Call, History, Outcome } from './history.js';
export { FULL_SIZE, type Profile, type ProfileOptions } from './profile.js';
export {
  addCounts,
  failureText,
  minimizedSeed,
  runSeed,
  type SeedOptions,
  type SeedReport,
} from './report.js';
export { type Simulation, type SimulationOptions, simulate } from './simulator.js';
export { Violation } from './violation.js';
