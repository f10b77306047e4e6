/**
 * A link of the harness with nothing on it but an echo: what the link itself and this process's timers add to its delay.
 */
import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { createWanLink, type LinkSettings, type WanLink } from '@causeway/wan-link';

const PAYLOAD = new Uint8Array(150);

export interface EmptyLink {
  readonly link: WanLink;
  /** Half of an echo's round trip. Milliseconds. */
  echo(): Promise<number>;
  close(): Promise<void>;
}

export async function openEmptyLink(settings: LinkSettings): Promise<EmptyLink> {
  const server = createServer({ noDelay: true }, (socket) => {
    endQuietly(socket);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const link = await createWanLink({ to: `127.0.0.1:${port}`, ...settings });
  const socket = dial({ host: '127.0.0.1', port: link.port, noDelay: true });
  endQuietly(socket);
  await once(socket, 'connect');
  const echo = async (): Promise<number> => {
    const sent = performance.now();
    socket.write(PAYLOAD);
    await once(socket, 'data');
    return (performance.now() - sent) / 2;
  };
  // The first pays for the connection.
  await echo();
  return {
    link,
    echo,
    close: async () => {
      socket.destroy();
      await link.close();
      server.close();
    },
  };
}

/** The link ends its connections by a reset. */
function endQuietly(socket: Socket): void {
  socket.on('error', () => socket.destroy());
}
