// Streams frames of golden vectors through the accelerator, with random pauses on both sides, and compares every word.
// Files: sent.hex and wanted.hex, a word a line. Plusargs: +frames= +offered= +taken= (percent) +seed=,
// +every= (cycles from frame to frame, whose words then come at even distances) +quiet= (cycles).
`timescale 1ns / 1ps
module bench;
  reg aclk = 0, aresetn = 0;
  always #5 aclk = ~aclk;

  reg [IN_BITS-1:0] sent [0:IN_WORDS*FRAMES-1];
  reg [OUT_BITS-1:0] wanted [0:OUT_WORDS*FRAMES-1];
  reg [IN_BITS-1:0] s_tdata = 0;
  reg s_tvalid = 0, m_tready = 0;
  wire s_tready, m_tvalid, m_tlast;
  wire [OUT_BITS-1:0] m_tdata;
  NAME dut (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready),
    .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
  );

  integer frames, offered, taken, seed, every, quiet;
  integer cycle = 0, put = 0, got = 0, silent = 0, errors = 0, started = 0, i;
  integer first [0:FRAMES-1];
  integer high [0:PROBES-1];
  wire [4*PROBES-1:0] states = {STATES};
  wire [32*PROBES-1:0] levels = {LEVELS};

  initial begin
    // in conditions: Verilator drops a call whose result is written over
    if (!$value$plusargs("frames=%d", frames)) frames = FRAMES;
    if (!$value$plusargs("offered=%d", offered)) offered = 100;
    if (!$value$plusargs("taken=%d", taken)) taken = 100;
    if (!$value$plusargs("seed=%d", seed)) seed = 1;
    if (!$value$plusargs("every=%d", every)) every = 0;
    if (!$value$plusargs("quiet=%d", quiet)) quiet = 100000;
    $readmemh("sent.hex", sent);
    $readmemh("wanted.hex", wanted);
    for (i = 0; i < PROBES; i = i + 1) high[i] = 0;
  end

  function integer chance(input integer percent);
    begin
      seed = seed * 1103515245 + 12345;
      chance = (((seed >> 16) & 32767) % 100) < percent;
    end
  endfunction

  always @(posedge aclk) begin
    started <= started + 1;
    if (started == 4) aresetn <= 1;
    if (aresetn) begin
      cycle <= cycle + 1;
      silent = silent + (m_tready ? 1 : 0);
      if (s_tvalid && s_tready) begin
        if (put % IN_WORDS == 0) first[put / IN_WORDS] = cycle;
        put = put + 1;
        silent = 0;
      end
      if (!s_tvalid || s_tready) begin
        s_tvalid <= put < frames * IN_WORDS && cycle + 1 >= put / IN_WORDS * every + put % IN_WORDS * every / IN_WORDS && chance(offered) != 0;
        s_tdata <= put < frames * IN_WORDS ? sent[put] : 0;
      end
      if (m_tvalid && m_tready) begin
        silent = 0;
        if (m_tdata !== wanted[got]) begin
          errors = errors + 1;
          if (errors <= 10) $display("wrong %0d %0d %h %h", got / OUT_WORDS, got % OUT_WORDS, m_tdata, wanted[got]);
        end
        if (m_tlast !== (got % OUT_WORDS == OUT_WORDS - 1)) begin
          errors = errors + 1;
          if (errors <= 10) $display("last %0d %0d", got / OUT_WORDS, got % OUT_WORDS);
        end
        if (got % OUT_WORDS == OUT_WORDS - 1) $display("frame %0d %0d %0d", got / OUT_WORDS, first[got / OUT_WORDS], cycle);
        got = got + 1;
      end
      m_tready <= chance(taken) != 0;
      for (i = 0; i < PROBES; i = i + 1)
        if (levels[32*i +: 32] > high[i]) high[i] = levels[32*i +: 32];
      if (got == frames * OUT_WORDS) begin
        for (i = 0; i < PROBES; i = i + 1) $display("level %0d %0d", i, high[i]);
        $display("%s: %0d words, %0d wrong", errors == 0 ? "PASS" : "FAIL", got, errors);
        $finish;
      end
      if (silent > quiet) begin
        for (i = 0; i < PROBES; i = i + 1) $display("stuck %0d %0d %0d", i, states[4*i +: 4], levels[32*i +: 32]);
        $display("FAIL: deadlock after %0d words", got);
        $finish;
      end
    end
  end
endmodule
