/**
 * The wide-area network between nodes of one machine: for each pair two wan-links, one for each that dials.
 *
 * Nodes know each other by the addresses of these links only. What a node advertises is a link that refuses every
 * connection, so that no two nodes can find a way past the links, not even one that restarts during a cut.
 */
import { type Cut, createWanLink, type LinkSettings, type WanLink } from '@causeway/wan-link';

export interface Pair {
  /** Cuts both ways until `heal`; silently unless told otherwise. */
  cut(cut?: Cut): void;
  heal(): void;
  /** Resets the open connections once. */
  reset(): void;
  set(settings: LinkSettings): void;
  /** The link that `from` dials `to` over, and the one the other way. */
  readonly links: readonly WanLink[];
}

export interface MeshNode {
  readonly region: string;
  /** Where its peer port listens, host:port. */
  readonly peerAddress: string;
}

export class Mesh {
  private readonly links = new Map<string, WanLink>();
  private readonly doors = new Map<string, WanLink>();

  /** Settings of each link by `settings`, from the region that dials to the one that is dialled. */
  static async open(
    nodes: readonly MeshNode[],
    settings: (from: string, to: string) => LinkSettings,
  ): Promise<Mesh> {
    const mesh = new Mesh();
    try {
      for (const { region, peerAddress } of nodes) {
        const door = await createWanLink({ to: peerAddress, name: `door of ${region}` });
        door.cut({ mode: 'reset' });
        mesh.doors.set(region, door);
        for (const { region: from } of nodes) {
          if (from === region) continue;
          const name = nameOf(from, region);
          mesh.links.set(name, await createWanLink({ to: peerAddress, name, ...settings(from, region) }));
        }
      }
    } catch (error) {
      await mesh.close();
      throw error;
    }
    return mesh;
  }

  /** URLs at which `region` dials all others but those in `except`. */
  seedsOf(region: string, except: readonly string[] = []): string[] {
    return [...this.doors.keys()]
      .filter((other) => other !== region && !except.includes(other))
      .map((other) => `ws://${this.link(region, other).address}`);
  }

  /** What `region` says that it can be dialled at: nobody can. */
  advertisedBy(region: string): string {
    return `ws://${this.doors.get(region)?.address}`;
  }

  between(a: string, b: string): Pair {
    return pairOf([this.link(a, b), this.link(b, a)]);
  }

  /** Everything that `region` is connected by. */
  around(region: string): Pair {
    const others = [...this.doors.keys()].filter((other) => other !== region);
    return pairOf(others.flatMap((other) => [this.link(region, other), this.link(other, region)]));
  }

  all(): readonly WanLink[] {
    return [...this.links.values()];
  }

  async close(): Promise<void> {
    await Promise.all([...this.links.values(), ...this.doors.values()].map((link) => link.close()));
  }

  private link(from: string, to: string): WanLink {
    const link = this.links.get(nameOf(from, to));
    if (link === undefined) throw new RangeError(`no link from ${from} to ${to}`);
    return link;
  }
}

function nameOf(from: string, to: string): string {
  return `${from}>${to}`;
}

function pairOf(links: readonly WanLink[]): Pair {
  return {
    links,
    cut: (cut) => {
      for (const link of links) link.cut(cut);
    },
    heal: () => {
      for (const link of links) link.heal();
    },
    reset: () => {
      for (const link of links) link.reset();
    },
    set: (settings) => {
      for (const link of links) link.set(settings);
    },
  };
}
