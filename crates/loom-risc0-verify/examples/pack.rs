//! From a program as its compiler leaves it to the program binary that is run and proved: `pack PROGRAM.elf
//! PROGRAM.bin`. Prints the image id.

use risc0_binfmt::ProgramBinary;
use risc0_zkos_v1compat::V1COMPAT_ELF;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, elf, binary] = &arguments[..] else { return Err("pack PROGRAM.elf PROGRAM.bin".into()) };
    let elf = std::fs::read(elf)?;
    let program = ProgramBinary::new(&elf, V1COMPAT_ELF);
    std::fs::write(binary, program.encode())?;
    print(&program.compute_image_id()?.to_string());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer, for whoever runs this")]
fn print(image_id: &str) {
    println!("{image_id}");
}
