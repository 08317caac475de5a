//! The program `cutover`. Everything is in the library; see `cutover::cli`.

fn main() -> std::process::ExitCode {
    cutover::cli::main()
}
