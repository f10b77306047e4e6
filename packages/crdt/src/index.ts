/**
 * The public door of `@causeway/crdt`: merge laws and clocks. Pure; imports nothing.
 */
export * from './assert.js';
export * from './digest.js';
export * from './dot.js';
export * from './hlc.js';
export * from './lww-register.js';
export * from './or-set.js';
export * from './pn-counter.js';
export * from './version-vector.js';
