/**
 * The page at `/` of the admin port: the status of this node for a person without tools. No script; it loads
 * itself again.
 */
import { SOFTWARE_VERSION } from '@causeway/protocol';
import type { Replica } from '@causeway/replica';

type Status = ReturnType<Replica['status']>;

export function statusPage(status: Status): string {
  const { replica, ready, reasons, writable, digest, conflicts, peers } = status;
  const head = ['replica', 'address', 'state', 'lag', 'backlog', 'clock offset'];
  const rows = peers.map((peer) => [
    peer.replica,
    peer.address,
    peer.state,
    milliseconds(peer.lagMs),
    String(peer.backlogTransactions),
    milliseconds(peer.clockOffsetMs),
  ]);
  const state = ready ? (writable ? 'ready' : 'read-only') : `not ready: ${reasons.join(', ')}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>${escapeHtml(replica)}</title>
<style>body{font:15px system-ui;margin:2em}td,th{text-align:left;padding:.2em 1em .2em 0}code{font-size:.95em}</style></head>
<body><h1>${escapeHtml(replica)}</h1>
<p>Causeway ${SOFTWARE_VERSION}, ${escapeHtml(state)}. Digest <code>${escapeHtml(digest)}</code>.
Conflicts met: ${conflicts.register} in registers, ${conflicts.set} in sets.</p>
<table><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr>
${rows.map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`).join('\n')}
</table>
<p><a href="/v1/status">/v1/status</a> <a href="/metrics">/metrics</a> <a href="/readyz">/readyz</a></p>
</body></html>
`;
}

function milliseconds(value: number | null): string {
  return value === null ? '–' : `${Math.round(value)} ms`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
