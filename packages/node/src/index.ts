/** A Causeway node: embedded with `createNode`, or run by the command. */

export type { Verification } from '@causeway/replica';
export { type BackupManifest, readManifest, restoreBackup } from './backup.js';
export { describeConfig, type NodeConfig } from './config.js';
export { readConfig } from './config-sources.js';
export { describeFlags, runConfig, runStart, type Surroundings } from './main.js';
export { type CausewayNode, createNode } from './node.js';
export { type LogLevel, type NodeOptions, SETTINGS } from './settings.js';
export { verifyDirectory } from './verify-directory.js';
