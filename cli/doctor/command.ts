import type { CommandMaker } from '../commandMaker.ts'
import type { DoctorOptions } from '../commands/doctor.ts'

/** The command that tells how the deployment is. */
export function addDoctorCommand({ make, run }: CommandMaker): void {
  make('doctor', 'How the deployment itself is: whether all of it is there, enabled and heard.')
    .option('--fix', "enable this stack's rules and schedules that are disabled; nothing else is changed")
    .action(async (options: DoctorOptions, command) =>
      run(command, async context => {
        const { runDoctorCommand } = await import('../commands/doctor.ts')
        return runDoctorCommand(context, options)
      }),
    )
}
