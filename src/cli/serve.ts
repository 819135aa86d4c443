import type { Command } from "commander";

type ServeOptions = Readonly<{ simulated?: boolean; new?: boolean }>;

export function addServeCommand(program: Command): void {
  program
    .command("serve")
    .description("run the service; its settings come from the environment")
    .option("--simulated", "with venues on this machine in place of the real ones, to try things out")
    .option("--new", "begin with an empty database, although a key file or a note shows that there was one")
    .action(async ({ simulated = false, new: begin = false }: ServeOptions) => {
      const { serve } = await import("../main.ts");
      await serve({ simulated, begin });
    });
}
