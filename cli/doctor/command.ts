import type { DoctorOptions } from '../commands/doctor.ts'
import type { Making } from '../looks.ts'

/** The command that tells how the deployment is. */
export function addDoctor({ make, run }: Making): void {
  make('doctor', 'How the deployment itself is: whether all of it is there, enabled and heard.')
    .option('--fix', "enable this stack's rules and schedules that are disabled; nothing else is changed")
    .action(async (options: DoctorOptions, command) =>
      run(command, async context => {
        const { doctor } = await import('../commands/doctor.ts')
        return doctor(context, options)
      }),
    )
}
