/** The contract between machines and versions: messages, codecs, canonical encoding, error codes, limits. */
export * from './bytes.js';
export * from './canonical.js';
export * from './errors.js';
export * from './frame.js';
export * from './keys.js';
export * from './limits.js';
export * from './operations.js';
export * from './version.js';
