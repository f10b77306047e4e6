/**
 * What every entry of this package offers, whatever sockets it brings.
 */
export { CausewayError } from '@causeway/protocol';
export { type ConnectOptions, connectWith } from './connect.js';
export type { Counter } from './counter.js';
export { createDatabase, type Database } from './database.js';
export type { Executor, WatchSink } from './executor.js';
export type { Register, RegisterSetOptions } from './register.js';
export type { Set } from './set.js';
export type { Socket, SocketEvents, Surroundings } from './surroundings.js';
export type { Settled, Transaction } from './transaction.js';
export type { Change, Watch, WatchOptions } from './watch.js';
