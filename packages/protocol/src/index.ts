/** The contract between machines and versions: messages, codecs, canonical encoding, error codes, limits. */
export * from './bytes.js';
export * from './canonical.js';
export * from './chunk.js';
export * from './client-messages.js';
export * from './errors.js';
export * from './frame.js';
export * from './json-values.js';
export * from './keys.js';
export * from './limits.js';
export * from './node-messages.js';
export * from './operations.js';
export * from './peer-messages.js';
export * from './record.js';
export * from './replica-ids.js';
export * from './sealed.js';
export * from './version.js';
