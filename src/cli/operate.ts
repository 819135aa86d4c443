import type { OpenCustody } from "../open-custody.ts";
import type { Cli } from "./cli.ts";

/**
 * Opens what the service stands on, with the service's own settings, for the length of an operator's command. It works beside a
 * service that runs, on the embedded database too. It makes no database, no table and no key. Throws `StartError`.
 */
export async function withCustody<T>(
  { environment }: Pick<Cli, "environment">,
  work: (open: OpenCustody) => Promise<T>,
): Promise<T> {
  const [{ readConfig }, { openCustody }, { createLog }] = await Promise.all([
    import("../config/config.ts"),
    import("../open-custody.ts"),
    import("../telemetry/log.ts"),
  ]);
  const open = await openCustody(readConfig(environment), createLog("silent"), { beside: true });
  try {
    return await work(open);
  } finally {
    await open.close();
  }
}
