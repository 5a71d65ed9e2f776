import { readFileSync, writeFileSync } from 'node:fs'

type State = {
  Type: string
  Next?: string
  Default?: string
  End?: boolean
  Choices?: { Next: string }[]
  Catch?: { ErrorEquals: string[]; Next: string }[]
}

const project = new URL('../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, project), 'utf8')

/** The state machine as a Mermaid flowchart; dotted arrows are what happens when a state fails for good. */
export function diagram(): string {
  const { StartAt, States } = JSON.parse(read('statemachines/rotate.asl.json')) as {
    StartAt: string
    States: Record<string, State>
  }
  const arrows = Object.entries(States).flatMap(([name, state]) => [
    ...shape(name, state),
    ...(state.Next ? [`${name} --> ${state.Next}`] : []),
    ...(state.Choices ?? []).map(({ Next }) => `${name} -- yes --> ${Next}`),
    ...(state.Default ? [`${name} -- no --> ${state.Default}`] : []),
    ...(state.Catch ?? [])
      .filter(({ Next }) => Next !== state.Next)
      .map(({ ErrorEquals, Next }) => `${name} -.${label(ErrorEquals)}-> ${Next}`),
  ])
  return ['flowchart TD', `  start(( )) --> ${StartAt}`, ...arrows.map(arrow => `  ${arrow}`)].join('\n')
}

function shape(name: string, { Type, End }: State): string[] {
  if (Type === 'Choice') return [`${name}{${name}}`]
  return End || Type === 'Succeed' || Type === 'Fail' ? [`${name}([${name}])`] : []
}

const label = (errors: string[]) => (errors.includes('States.ALL') ? '' : ` ${errors.join(', ')} .`)

const block = /```mermaid\n[\s\S]*?```/

/** README.md with the picture as the state machine is now. */
export function readme(): string {
  return read('README.md').replace(block, `\`\`\`mermaid\n${diagram()}\n\`\`\``)
}

if (import.meta.main) writeFileSync(new URL('README.md', project), readme())
