import type { Command } from "commander";

export function addServeCommand(program: Command): void {
  program
    .command("serve")
    .description("run the service; its settings come from the environment")
    .option("--simulated", "with venues on this machine in place of the real ones, to try things out")
    .option("--new", "begin with an empty database, although a key file or a note shows that there was one")
    .action(async (options: Readonly<{ simulated?: boolean; new?: boolean }>) => {
      const { simulated = false, new: begin = false } = options;
      const { serve } = await import("../main.ts");
      await serve({ simulated, begin });
    });
}
