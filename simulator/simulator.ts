import type { FastifyInstance } from "fastify";
import type { Environment } from "./accounts.ts";
import { Control } from "./control.ts";
import { RequestLog } from "./request-log.ts";
import { serveControl } from "./serve-control.ts";
import { serveVenue } from "./serve-venue.ts";
import { VenueState } from "./venue-state.ts";
import type { VenueId } from "./venue.ts";
import { venues } from "./venues/index.ts";

export type Simulator = Readonly<{
  /**
   * Origin of a venue's host, such as `http://127.0.0.1:41234`: put it where the venue's own scheme and host
   * stand and keep the path. Where a venue separates environments by a header, all have the same origin.
   */
  url(venue: VenueId, environment?: Environment): string;
  /** Every origin there is. */
  hosts: readonly Readonly<{ venue: VenueId; environment: Environment; url: string }>[];
  control: Control;
  /** Origin of the control API; its paths begin with `/_control/`. */
  controlUrl: string;
  /** Ends every connection, the hanging ones included. */
  close(): Promise<void>;
}>;

const loopback = "127.0.0.1";

/**
 * Starts all venues, each host on a loopback port of its own. With `port`, the control API listens there and
 * the hosts on the ports that follow, in the order of `hosts`; without, every port is a free one.
 */
export async function startSimulator({ port }: { port?: number } = {}): Promise<Simulator> {
  const log = new RequestLog();
  const states = new Map(venues.map((venue) => [venue.id, new VenueState(venue)]));
  const control = new Control(states, log);
  const apps: FastifyInstance[] = [];
  const listen = async (app: FastifyInstance): Promise<string> => {
    apps.push(app);
    return app.listen({ host: loopback, port: port === undefined ? 0 : port + apps.length - 1 });
  };
  const close = async (): Promise<void> => {
    await Promise.all(apps.map((app) => app.close()));
  };
  try {
    const hosts: { venue: VenueId; environment: Environment; url: string }[] = [];
    const controlUrl = await listen(serveControl(control, hosts));
    for (const state of states.values()) {
      for (const environment of state.venue.hosts) {
        const url = await listen(serveVenue(state, environment, log));
        hosts.push({ venue: state.venue.id, environment, url });
      }
    }
    return {
      url: (venue, environment) => originOf(hosts, venue, environment),
      hosts,
      control,
      controlUrl,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function originOf(hosts: Simulator["hosts"], venue: VenueId, environment?: Environment): string {
  const ofVenue = hosts.filter((host) => host.venue === venue);
  const exact = ofVenue.find((host) => environment === undefined || host.environment === environment);
  const origin = exact ?? (ofVenue.length === 1 ? ofVenue[0] : undefined);
  if (origin === undefined) throw new Error(`the simulator has no host for ${venue} ${environment ?? ""}`);
  return origin.url;
}
