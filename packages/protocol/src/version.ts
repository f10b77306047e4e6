/**
 * Versions of everything that is sent or stored. A change of bytes bumps its version, and the golden files of the
 * older ones in testdata/ stay readable.
 */

/** Version of the software, as `--version`, status and handshakes tell it. */
export const SOFTWARE_VERSION = '0.1.0';

/** Between clients and nodes: the WebSocket subprotocol and the version in the hello. */
export const CLIENT_SUBPROTOCOL = 'causeway.client.v1';
export const CLIENT_PROTOCOL_VERSION = 1;

/** Between nodes. */
export const PEER_SUBPROTOCOL = 'causeway.replication.v1';
export const PEER_PROTOCOL_VERSION = 3;

/** First byte of every stored record. */
export const RECORD_VERSION = 1;

/** First byte of every chunk, in the log and on the wire. */
export const CHUNK_VERSION = 1;
