import { type ServerWork, serverInputOf } from '../../fleet/serverLocks.ts'
import { type Execution, runExecution, type Task } from '../../local/embedded/stateMachine.ts'

/**
 * Runs one execution of rotate-due and the executions of rotate-server that it starts.
 * @returns rotate-due's execution, whose `tries` count those of rotate-server too
 */
export async function runDue(tasks: Record<string, Task>, name: string): Promise<Execution> {
  const tries: Record<string, number>[] = []
  const rotateServer: Task = async input => {
    const { group, ...rest } = input as ServerWork
    // The last release's findDue returns no server.
    const { server = { id: 'server', last: 0 } } = group as Partial<ServerWork['group']>
    const execution = `${server.id}-${server.last + 1}`
    const work = serverInputOf({ ...rest, group: { ...group, server } }, execution)
    const nested = await runExecution('rotate-server', { TakeSlot: () => null, ...tasks }, execution, work)
    tries.push(nested.tries)
    if (nested.failure) throw Object.assign(new Error('the reason'), { name: 'ExecutionFailed' })
    const { host, rotated, failed, skipped, parked = 0 } = nested.output as Record<string, unknown>
    return { host, rotated, failed, skipped, parked }
  }
  const execution = await runExecution('rotate-due', { RotateServer: rotateServer, ...tasks }, name, {})
  for (const [state, count] of tries.flatMap(Object.entries))
    execution.tries[state] = (execution.tries[state] ?? 0) + count
  return execution
}
