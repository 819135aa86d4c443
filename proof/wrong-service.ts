import { openLocalIssuer } from "../src/access/local-issuer.ts";
import { createDoor } from "../src/app.ts";
import type { Config } from "../src/config/config.ts";
import type { OpenCustody } from "../src/open-custody.ts";
import type { Log } from "../src/telemetry/log.ts";

/** What a service needs around the parts that a flaw has changed. `stop` ends what was started beside them. */
type Around = Readonly<{ config: Config; log: Log; stop?: () => Promise<void> }>;

/**
 * Serves until SIGTERM with parts that have a flaw, which no setting of the real service could give it. It proves nothing but that the
 * proof notices the flaw.
 */
export async function serveWrong(open: OpenCustody, { config, log, stop }: Around): Promise<void> {
  const localIssuer = await openLocalIssuer(config.folder);
  const server = await createDoor(open, { config, localIssuer, log });
  const { host, port } = config.http;
  log.info("listening", { address: await server.listen({ host, port }) });
  const close = async (): Promise<void> => {
    await Promise.all([server.close(), stop?.()]);
    await open.close();
  };
  process.once("SIGTERM", () => {
    close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}
