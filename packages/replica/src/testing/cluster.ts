/**
 * A node and its scripted peers, brought to rest.
 */
import { Rig, type RigOptions } from './rig.js';
import { ScriptedPeer } from './scripted-peer.js';

/** A node with a peer that is linked. */
export function pair(options: RigOptions = {}): { node: Rig; peer: ScriptedPeer } {
  const node = new Rig(options);
  return { node, peer: new ScriptedPeer(node, 'us').dials() };
}

/** The peer has everything and says so, until nothing is left to be done. */
export function settle(node: Rig, ...peers: readonly ScriptedPeer[]): void {
  for (let round = 0; round < 6; round++) {
    for (const peer of peers) peer.catchesUp();
    node.pass(1_000);
  }
}

/** What is stored beside identity, members and log. */
export function leftovers(node: Rig): Record<string, number> {
  const { i: _identity, m: _members, l: _log, j: _journal, k: _pages, ...rest } = node.store.census();
  return rest;
}
