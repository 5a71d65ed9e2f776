import type { CommandMaker } from '../commandMaker.ts'
import type { DoctorOptions } from '../commands/doctor.ts'

/** Adds `keyturn doctor`. */
export function addDoctorCommand({ make, run }: CommandMaker): void {
  make(
    'doctor',
    'Check the deployed stack: whether everything exists, is enabled, and its alarms reach somebody.',
  )
    .option('--fix', "enable this stack's rules and schedules that are disabled; nothing else is changed")
    .action(async (options: DoctorOptions, command) =>
      run(command, async context => {
        const { runDoctorCommand } = await import('../commands/doctor.ts')
        return runDoctorCommand(context, options)
      }),
    )
}
