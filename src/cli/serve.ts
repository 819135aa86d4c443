import type { Command } from "commander";

export function addServeCommand(program: Command): void {
  program
    .command("serve")
    .description("run the service; its settings come from the environment")
    .option("--simulated", "with venues on this machine in place of the real ones, to try things out")
    .action(async (options: Readonly<{ simulated?: true }>) => {
      const { serve } = await import("../main.ts");
      await serve(options);
    });
}
